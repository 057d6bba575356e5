//! What a forge says of a pull request, and what follows from it; pure.
//!
//! Facts come by webhook and by question, twice, late and out of order. [`fact`] is their one vocabulary, [`view`] takes them in so
//! that the order does not matter, [`standing`] says where a pull request stands by them. Deliveries themselves are in [`delivery`].

pub mod delivery;
pub mod fact;
pub mod standing;
pub mod view;
