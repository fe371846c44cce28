//! A case of a check: what a backend must compute as it should.

use super::{Fault, Subject};
use std::fmt;

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseGroup {
    /// Every kernel that this or another device may choose, on small networks.
    Kernels,
    /// The default kernels of each family on networks of odd widths, one to four layers.
    Shapes,
    /// Few and many samples and masks, replaced networks, losses beyond 32 bits, small limits.
    Sizes,
    /// Neighbours of kept masks.
    Neighbours,
    /// Whole searches.
    Tickets,
}

impl CaseGroup {
    pub const ALL: [Self; 5] = [Self::Kernels, Self::Shapes, Self::Sizes, Self::Neighbours, Self::Tickets];
}

impl fmt::Display for CaseGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernels => "every kernel",
            Self::Shapes => "networks of all shapes",
            Self::Sizes => "sizes and limits",
            Self::Neighbours => "neighbours",
            Self::Tickets => "tickets",
        })
    }
}

type CaseWork = dyn Fn(&Subject) -> Result<(), Fault>;

/// Something that a backend must compute as it should.
pub struct CheckCase {
    pub group: CaseGroup,
    pub name: String,
    work: Box<CaseWork>,
}

impl fmt::Debug for CheckCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckCase")
            .field("group", &self.group)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CheckCase {
    pub(super) fn new(
        group: CaseGroup,
        name: impl Into<String>,
        work: impl Fn(&Subject) -> Result<(), Fault> + 'static,
    ) -> Self {
        Self { group, name: name.into(), work: Box::new(work) }
    }

    /// Does `subject` compute what it should?
    ///
    /// # Errors
    /// What it does not, or why it could not.
    pub fn run(&self, subject: &Subject) -> Result<(), Fault> {
        (self.work)(subject)
    }
}
