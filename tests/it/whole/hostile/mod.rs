//! What a hostile repository and a hostile agent are made of: traps that say who sprang them, and secrets that must stay where
//! they are.

pub(super) mod scripts;
pub(super) mod traps;
pub(super) mod world;
