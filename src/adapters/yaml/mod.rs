//! YAML as people write it and nobody should guess about: read strictly, every fault with its place.
//!
//! [`reader`] turns bytes into a tree and refuses what YAML can do besides; [`fields`] takes typed values out of mappings;
//! [`pipeline`] reads a verification contract. Nothing here carries anything out.

pub mod fields;
pub mod pipeline;
pub mod reader;
mod rules;
