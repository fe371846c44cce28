//! What is wrong with something that was read.

use std::borrow::Cow;

/// What is wrong with a value, a header, a state or a record that was read, in a sentence. It is for whoever knows what
/// was read and from where: they name the place, and make their own error of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Flaw(Cow<'static, str>);

impl From<&'static str> for Flaw {
    fn from(what: &'static str) -> Self {
        Self(what.into())
    }
}

impl From<String> for Flaw {
    fn from(what: String) -> Self {
        Self(what.into())
    }
}

impl From<Flaw> for String {
    fn from(flaw: Flaw) -> Self {
        flaw.0.into_owned()
    }
}
