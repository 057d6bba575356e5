//! A GitHub of our own on loopback: repositories, forks, pull requests, checks, reviews and hooks, with state and with faults.

fn main() {}
