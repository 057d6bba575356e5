//! The real agents against a scripted model, where they are installed.

mod by_hand;
mod wire;
