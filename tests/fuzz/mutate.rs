//! Inputs made of valid ones: bytes, texts and JSON, changed at random.

use serde_json::{Value, json};

/// SplitMix64 (Steele, Lea, Flood 2014): all that a fuzzer needs, and the same on every machine.
pub struct Rng(u64);

impl Rng {
    /// The stream of one input of one target.
    pub fn of(seed: u64, target: &str, input: u64) -> Self {
        let mix = |state: u64, word: u64| Self(state ^ word).next();
        Self(target.bytes().map(u64::from).chain([input]).fold(mix(0, seed), mix))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A range within `0..length`, mostly short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = [4, 16, 256, length][self.below(4)];
        start..(start + self.below(most + 1)).min(length)
    }
}

/// Bytes of an input at most.
const MAX_INPUT: usize = 1 << 18;

/// Numbers at which counters wrap, and neighbours of theirs.
const ODD_NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX as u64,
    u64::MAX,
];

/// Texts that stand where a number was.
const ODD_TEXTS: [&str; 18] = [
    "-1",
    "0",
    "-0",
    "1e999",
    "-1e999",
    "1e-999",
    "nan",
    "inf",
    "18446744073709551616",
    "9223372036854775808",
    "0x10",
    "1_000",
    "1,5",
    "\"",
    "'",
    "",
    "\u{0}",
    "1e308",
];

/// One of `seeds`, changed in a few places; `tokens` are words of the format.
pub fn bytes(rng: &mut Rng, seeds: &[Vec<u8>], tokens: &[&[u8]]) -> Vec<u8> {
    let mut input = rng.pick(seeds).clone();
    let changes = 1 + rng.below(4) * rng.below(4);
    for _ in 0..changes {
        change(rng, &mut input, seeds, tokens);
        input.truncate(MAX_INPUT);
    }
    input
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, seeds: &[Vec<u8>], tokens: &[&[u8]]) {
    let length = input.len();
    let range = rng.range(length);
    match rng.below(14) {
        0..=2 if length > 0 => input[rng.below(length)] ^= 1 << rng.below(8),
        3 if length > 0 => input[rng.below(length)] = rng.next() as u8,
        4 | 5 => overwrite_number(rng, input),
        6 => drop(input.drain(range)),
        7 => {
            let copy = input[range.clone()].to_vec();
            input.splice(range.start..range.start, copy);
        }
        8 => {
            let copy = input[range.clone()].repeat(1 + rng.below(1000));
            let room = MAX_INPUT.saturating_sub(length);
            input.splice(range.start..range.start, copy.into_iter().take(room));
        }
        9 if !tokens.is_empty() => {
            let token = rng.pick(tokens).to_vec();
            let end = if rng.one_in(2) { range.start } else { range.end };
            input.splice(range.start..end, token);
        }
        10 => {
            let other = rng.pick(seeds);
            let from = rng.range(other.len());
            input.splice(range, other[from].iter().copied());
        }
        11 => input.truncate(range.start),
        12 => {
            let byte = *rng.pick(&[0, b' ', b'0', b'9', 0xff]);
            input[range].fill(byte);
        }
        _ => replace_written_number(rng, input),
    }
}

/// Overwrites an integer of 1, 2, 4 or 8 bytes.
fn overwrite_number(rng: &mut Rng, input: &mut [u8]) {
    let size = 1 << rng.below(4);
    if input.len() < size {
        return;
    }
    let at = if rng.one_in(2) {
        rng.below(32.min(input.len() - size + 1))
    } else {
        rng.below(input.len() - size + 1)
    };
    let number = rng.pick(&ODD_NUMBERS).wrapping_sub(rng.below(2) as u64);
    let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
    input[at..at + size].copy_from_slice(if rng.one_in(2) { &little[..size] } else { &big[8 - size..] });
}

/// Puts an odd text in place of a number that is written in digits.
fn replace_written_number(rng: &mut Rng, input: &mut Vec<u8>) {
    let start = rng.below(input.len() + 1);
    let Some(first) = input[start..].iter().position(u8::is_ascii_digit) else { return };
    let first = start + first;
    let digits = input[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    input.splice(first..first + digits, rng.pick(&ODD_TEXTS).bytes());
}

/// One of `seeds`, with values replaced, keys given twice, renamed and left out.
pub fn json_text(rng: &mut Rng, seeds: &[Value]) -> String {
    let mut value = rng.pick(seeds).clone();
    for _ in 0..1 + rng.below(3) {
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        let place = rng.pick(&places).clone();
        let donor = rng.pick(&places).clone();
        let given = if rng.one_in(4) { value.pointer(&donor).cloned() } else { None };
        let (parent, key) = place.rsplit_once('/').unwrap_or(("", ""));
        match (rng.below(8), value.pointer_mut(parent)) {
            (0, Some(Value::Object(object))) => drop(object.remove(key)),
            (1, Some(Value::Object(object))) => {
                if let Some(value) = object.remove(key) {
                    object.insert(format!("{key}{}", rng.pick(&["s", "_", " ", "é", "\u{7}"])), value);
                }
            }
            (2, Some(Value::Array(list))) => {
                let copies = rng.below(300);
                if let Some(item) = list.first().cloned() {
                    list.extend(std::iter::repeat_n(item, copies));
                }
            }
            _ => *value.pointer_mut(&place).expect("a place") = given.unwrap_or_else(|| odd_value(rng)),
        }
    }
    let mut text = value.to_string();
    match rng.below(12) {
        0 => text.insert(0, '\u{feff}'),
        1 => {
            // A key twice: the first member of some object, written once more before it.
            let braces: Vec<usize> = text.match_indices("{\"").map(|(at, _)| at + 1).collect();
            if !braces.is_empty() {
                let at = *rng.pick(&braces);
                if let Some(end) = text[at..].find([',', '}']) {
                    let member = format!("{},", &text[at..at + end]);
                    text.insert_str(at, &member);
                }
            }
        }
        2 => {
            let mut cut = rng.below(text.len() + 1);
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            text.truncate(cut);
        }
        _ => {}
    }
    text
}

fn pointers(value: &Value, prefix: &str, into: &mut Vec<String>) {
    into.push(prefix.to_owned());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| {
                pointers(value, &format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1")), into)
            });
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| pointers(value, &format!("{prefix}/{index}"), into)),
        _ => {}
    }
}

/// A value that is small, or so large that it must be refused: none that only asks for much work.
fn odd_value(rng: &mut Rng) -> Value {
    match rng.below(20) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(u64::MAX),
        4 => json!(i64::MIN),
        5 => json!(i64::MAX),
        6 => json!(-1),
        7 => json!(0),
        8 => json!(1),
        9 => json!(1e308),
        10 => json!(-0.0),
        11 => json!(1e-320),
        12 => json!(0.5),
        13 => json!(true),
        14 => json!([1, 1, 1]),
        15 => json!({"kind": "moons"}),
        16 => json!("x".repeat(rng.below(100_000))),
        17 => json!([[[[[[[[1]]]]]]]]),
        18 => {
            json!(rng.pick(&["", "\u{0}", "../x", "auto", "none", "margin", "é\u{202e}", "\u{1b}[31m", "1"]))
        }
        _ => json!(rng.below(100)),
    }
}
