//! agentpr.

pub mod adapters;
pub mod app;
pub mod config;
pub mod crash_point;
pub mod daemon;
pub mod domain;
pub mod ports;
pub mod surfaces;
pub mod telemetry;
