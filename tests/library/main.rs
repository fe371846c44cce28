//! The library against values of other programs and properties that hold of any, in one binary, which links once.

#[path = "../adapter/mod.rs"]
mod adapter;
mod dataset_files;
mod goldens_datasets;
mod goldens_evaluations;
mod goldens_measures;
mod goldens_mixed_model;
mod goldens_nsga2;
mod local_search;
mod properties_mixed_model;
