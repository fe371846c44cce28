//! From a folder of records to tables, figures and a page. Records are read, nothing is searched again.

pub mod cells;
pub mod comparison;
pub mod load;
mod paper;
mod results;
mod table;

pub use load::{Folder, LoadError, load};
pub use results::{results, results_in_numbers};
pub use table::Table;
