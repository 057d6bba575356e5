//! agentpr.

pub mod adapters;
pub mod app;
pub mod crash_point;
pub mod domain;
pub mod ports;
