//! Classes by their names in a file.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::DatasetError;
use crate::excerpt::shown;

/// The class of each sample, by name.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// `[samples]`, indices into `names`.
    ids: Vec<u32>,
    /// In order of first appearance.
    names: Vec<String>,
    id_of: HashMap<String, u32>,
}

/// What makes two names one class: the number, where all names are numbers; else the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Integer(i128),
    /// The bits of a number that is no integer.
    Real(u64),
    Text(String),
}

/// Beyond it, either way, an f64 is no i128.
const MAX_INTEGER: f64 = 1e38;

impl Key {
    /// The number that a name is: 1, 01, +1, 1.0 and 1e0 are one, 0 and -0.0 another.
    fn number(name: &str) -> Option<Self> {
        if let Ok(integer) = name.parse() {
            return Some(Self::Integer(integer));
        }
        let value: f64 = name.parse().ok().filter(|value: &f64| value.is_finite())?;
        let is_integer = value.fract() == 0.0 && value.abs() < MAX_INTEGER;
        Some(if is_integer { Self::Integer(value as i128) } else { Self::Real(value.to_bits()) })
    }

    fn order(&self, other: &Self) -> Ordering {
        let value = |key: &Self| match key {
            Self::Integer(integer) => *integer as f64,
            Self::Real(bits) => f64::from_bits(*bits),
            Self::Text(_) => f64::NAN,
        };
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => value(self).total_cmp(&value(other)),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Real(bits) => f64::from_bits(*bits).to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The classes of a training set, in their order: by value if all are numbers, else as text.
#[derive(Debug)]
pub(super) struct Classes {
    /// As they are spelt; a number that is spelt in several ways is spelt plainly.
    pub names: Vec<String>,
    /// Whether all names are numbers.
    pub are_numbers: bool,
    /// Whether all are, and one is no integer.
    pub has_fractions: bool,
    numbers: HashMap<Key, u32>,
    /// What was taken together, or looks as if it should be, in a sentence.
    pub note: Option<String>,
}

impl Classes {
    fn key(name: &str, are_numbers: bool) -> Option<Key> {
        if are_numbers { Key::number(name) } else { Some(Key::Text(name.to_owned())) }
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(&Self::key(name, self.are_numbers)?).copied()
    }
}

impl Labels {
    pub fn push(&mut self, name: &str) {
        let id = match self.id_of.get(name) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.names.push(name.to_owned());
                self.id_of.insert(name.to_owned(), id);
                id
            }
        };
        self.ids.push(id);
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no two samples have one name.
    pub fn all_differ(&self) -> bool {
        self.names.len() == self.ids.len()
    }

    pub fn has(&self, name: &str) -> bool {
        self.id_of.contains_key(name)
    }

    /// Whether the first sample's name is that of no other.
    pub fn first_is_alone(&self) -> bool {
        self.ids.iter().filter(|&&id| id == 0).count() == 1
    }

    /// Whether the names of all samples but the first are numbers.
    pub fn others_are_numbers(&self) -> bool {
        self.names.len() > 1 && self.names.iter().skip(1).all(|name| Key::number(name).is_some())
    }

    /// Forgets the first sample, and its name if that is no other's.
    pub fn remove_first(&mut self) {
        let alone = self.first_is_alone();
        self.ids.remove(0);
        if !alone {
            return;
        }
        self.ids.iter_mut().for_each(|id| *id -= 1);
        self.id_of.remove(&self.names.remove(0));
        self.id_of.values_mut().for_each(|id| *id -= 1);
    }

    /// The classes that these names are.
    pub fn classes(&self) -> Classes {
        let are_numbers = self.names.iter().all(|name| Key::number(name).is_some());
        let mut spellings: HashMap<Key, Vec<&String>> = HashMap::new();
        for name in &self.names {
            if let Some(key) = Classes::key(name, are_numbers) {
                spellings.entry(key).or_default().push(name);
            }
        }
        let mut keys: Vec<&Key> = spellings.keys().collect();
        keys.sort_by(|a, b| a.order(b));
        let several = keys.iter().find_map(|key| Some(&spellings[*key]).filter(|names| names.len() > 1));
        let one_number = several.map(|names| {
            let names: Vec<&str> = names.iter().take(4).map(|name| name.as_str()).collect();
            format!("labels that are the same number are one class, such as {}", names.join(" and "))
        });
        let note = one_number.or_else(|| self.differ_in_case());
        let name = |key: &Key| match spellings[key].as_slice() {
            [name] => (*name).clone(),
            _ => key.shown(),
        };
        Classes {
            names: keys.iter().map(|key| name(key)).collect(),
            are_numbers,
            has_fractions: keys.iter().any(|key| matches!(key, Key::Real(_))),
            numbers: keys.iter().map(|&key| key.clone()).zip(0..).collect(),
            note,
        }
    }

    /// A sentence about two names that differ in the case of their letters only.
    fn differ_in_case(&self) -> Option<String> {
        let mut lower: HashMap<String, &String> = HashMap::new();
        let pair = self.names.iter().find_map(|name| Some((name, lower.insert(name.to_lowercase(), name)?)));
        pair.map(|(a, b)| {
            format!("classes {b:?} and {a:?} differ in the case of letters only; they are two classes")
        })
    }

    /// The number of each sample's class; `place` is for errors.
    pub fn numbered(&self, classes: &Classes, place: &str) -> Result<Vec<u32>, DatasetError> {
        let number_of_id: Vec<Option<u32>> = self.names.iter().map(|name| classes.number(name)).collect();
        self.ids
            .iter()
            .enumerate()
            .map(|(sample, &id)| {
                number_of_id[id as usize].ok_or_else(|| DatasetError::UnknownClass {
                    place: place.to_owned(),
                    sample: sample + 1,
                    class: self.names[id as usize].clone(),
                    known: listed(&classes.names),
                })
            })
            .collect()
    }
}

/// The first of some names, for a message.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut list = names.iter().take(SHOWN).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(", …");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Labels {
        let mut labels = Labels::default();
        names.iter().for_each(|name| labels.push(name));
        labels
    }

    fn names(labels: &[&str]) -> Vec<String> {
        of(labels).classes().names
    }

    #[test]
    fn classes_are_ordered_by_value_if_they_are_numbers_and_as_text_if_not() {
        assert_eq!(names(&["10", "9", "-1", "9"]), ["-1", "9", "10"]);
        assert_eq!(names(&["10.0", "9.5"]), ["9.5", "10.0"]);
        assert_eq!(names(&["b", "10", "9"]), ["10", "9", "b"]);
    }

    #[test]
    fn spellings_of_one_number_are_one_class() {
        let labels = of(&["1", "2", "1.0", "01", "1e0", "-0", "0.0", "2.50", "2.5"]);
        let classes = labels.classes();
        assert_eq!(classes.names, ["0", "1", "2", "2.5"]);
        assert_eq!(labels.numbered(&classes, "file").expect("known"), [1, 2, 1, 1, 1, 0, 0, 3, 3]);
        assert!(
            classes.note.as_ref().is_some_and(|note| note.ends_with("such as -0 and 0.0")),
            "{classes:?}"
        );
        assert_eq!(of(&["0.0", "1"]).numbered(&classes, "file").expect("known"), [0, 1]);
        assert!(of(&["3"]).numbered(&classes, "file").is_err());
    }

    #[test]
    fn names_that_are_spelt_in_one_way_keep_it_and_words_are_never_numbers() {
        assert_eq!(names(&["02", "01"]), ["01", "02"]);
        assert_eq!(names(&["1", "1.0", "one"]), ["1", "1.0", "one"]);
        assert!(of(&["02", "01"]).classes().note.is_none());
        let note = of(&["Yes", "no", "yes"]).classes().note.expect("a note");
        assert!(note.contains("\"Yes\" and \"yes\""), "{note}");
    }

    #[test]
    fn integers_that_no_float_tells_apart_are_classes_of_their_own() {
        let labels = ["9007199254740993", "9007199254740992", "18446744073709551615"];
        assert_eq!(names(&labels), ["9007199254740992", "9007199254740993", "18446744073709551615"]);
        assert_eq!(names(&["1e20", "100000000000000000000", "1e300"]).len(), 2);
    }

    #[test]
    fn the_first_sample_can_be_taken_out() {
        let mut labels = of(&["target", "b", "a", "b"]);
        assert!(labels.first_is_alone());
        labels.remove_first();
        assert_eq!(labels.classes().names, ["a", "b"]);
        assert_eq!(labels.numbered(&labels.classes(), "file").expect("known"), [1, 0, 1]);
        labels.push("c");
        assert_eq!(labels.classes().names, ["a", "b", "c"]);
        assert!(!labels.first_is_alone());
    }
}
