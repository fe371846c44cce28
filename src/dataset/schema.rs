//! What a network needs beside its weights to read raw samples and to name its answers.

use crate::flaw::Flaw;
use serde::{Deserialize, Serialize};

use super::normalizer::Normalizer;

/// What turns raw samples into a network's inputs, and its outputs into names of classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// `[classes]`: what each class is called where the data come from; its number for generated data.
    pub class_names: Vec<String>,
    /// `[features]`, where the file names them.
    pub feature_names: Option<Vec<String>>,
    /// Fitted to the training set.
    pub normalizer: Normalizer,
}

impl Schema {
    /// Of data that are inputs already, whose classes are called by their numbers.
    pub fn numbered(classes: usize) -> Self {
        Self {
            class_names: (0..classes).map(|class| class.to_string()).collect(),
            feature_names: None,
            normalizer: Normalizer::None {},
        }
    }

    /// Can a network of so many inputs and outputs be used with it? A schema may come from a file that has
    /// been edited.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self, inputs: usize, outputs: usize) -> Result<(), Flaw> {
        let classes = self.class_names.len();
        if classes != outputs {
            return Err(format!("class_names: {classes} names for the network's {outputs} outputs").into());
        }
        if let Some(names) = &self.feature_names
            && names.len() != inputs
        {
            let found = names.len();
            return Err(format!("feature_names: {found} names for the network's {inputs} inputs").into());
        }
        self.normalizer.check(inputs).map_err(|problem| format!("normalization: {problem}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_does_not_fit_the_network_is_refused_by_its_key() {
        let schema = Schema { feature_names: Some(vec!["x".into(), "y".into()]), ..Schema::numbered(3) };
        assert_eq!(schema.check(2, 3), Ok(()));
        let refused = |inputs, outputs| schema.check(inputs, outputs).expect_err("a misfit").to_string();
        assert!(refused(2, 2).starts_with("class_names: 3 names"));
        assert!(refused(4, 3).starts_with("feature_names: 2 names"));
    }
}
