//! The real agents against a scripted model, where they are installed.

mod bench;
mod by_hand;
mod death;
mod full_run;
mod matrix;
mod refused;
mod trace;
mod wire;

use tokio::sync::RwLock;

/// Held for writing by a test that looks at the machine's own temporary folder, for reading by those that may change it: the names
/// agents use there are the same for every start.
static MACHINE: RwLock<()> = RwLock::const_new(());
