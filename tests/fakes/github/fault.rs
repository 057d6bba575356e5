//! The plan of faults: which requests go wrong, how often, and in which way.

use regex::Regex;
use serde::Deserialize;

use crate::chance::Seeded;
use crate::message::Ask;

/// A line of the plan, as it is written.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    method: Option<String>,
    path_regex: Option<String>,
    /// Without it: once, or with a probability for ever.
    times: Option<u64>,
    probability: Option<f64>,
    #[serde(default)]
    seed: u64,
    #[serde(flatten)]
    kind: Kind,
}

/// What goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kind {
    /// An error answer, and nothing is done.
    ErrorBefore {
        status: u16,
    },
    /// An error answer, although everything is done.
    ErrorAfter {
        status: u16,
    },
    /// The connection ends, and nothing is done.
    ResetBefore,
    /// The connection ends, although everything is done.
    ResetAfter,
    /// A silence.
    Hang {
        ms: u64,
        #[serde(default)]
        effect: Effect,
    },
    /// Half of the answer.
    Truncate {
        /// Whether the length of the whole is promised and the connection breaks.
        #[serde(default)]
        torn: bool,
    },
    NotFound,
    RatePrimary {
        reset_in: i64,
    },
    RateSecondary {
        retry_after: Option<u64>,
        #[serde(default = "forbidden")]
        status: u16,
        /// How long it holds where no `retry_after` says so; a minute, as the documentation asks for.
        lasts_ms: Option<i64>,
    },
    Redirect {
        location: Option<String>,
    },
}

/// When the effect of a request comes that hangs.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// After the silence, whether or not anybody still waits.
    #[default]
    Late,
    /// Before the silence.
    First,
    /// Never: the connection ends after the silence.
    None,
}

impl Kind {
    /// The word of the plan.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ErrorBefore { .. } => "error_before",
            Self::ErrorAfter { .. } => "error_after",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Hang { .. } => "hang",
            Self::Truncate { .. } => "truncate",
            Self::NotFound => "not_found",
            Self::RatePrimary { .. } => "rate_primary",
            Self::RateSecondary { .. } => "rate_secondary",
            Self::Redirect { .. } => "redirect",
        }
    }
}

fn forbidden() -> u16 {
    403
}

/// The plan in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    lines: Vec<(Line, Option<Regex>, Seeded)>,
    /// How often each line struck.
    pub struck: Vec<u64>,
}

impl Faults {
    /// Takes the place of the plan before it; an error says what cannot be read.
    pub(crate) fn plan(&mut self, body: &[u8]) -> Result<(), String> {
        let lines: Vec<Line> = serde_json::from_slice(body).map_err(|err| err.to_string())?;
        let mut plan = Vec::new();
        for line in lines {
            let regex = line.path_regex.as_deref().map(Regex::new).transpose();
            let seeded = Seeded::new(line.seed);
            plan.push((line, regex.map_err(|err| err.to_string())?, seeded));
        }
        self.struck = vec![0; plan.len()];
        self.lines = plan;
        Ok(())
    }

    /// The first line that strikes this request. The expression is tried on the path with and without its query.
    pub(crate) fn pick(&mut self, ask: &Ask) -> Option<Kind> {
        let target = ask.target();
        for ((line, regex, chance), struck) in self.lines.iter_mut().zip(&mut self.struck) {
            let most = line.times.unwrap_or(if line.probability.is_some() { u64::MAX } else { 1 });
            let is_meant = line.method.as_deref().is_none_or(|method| method == ask.method)
                && regex.as_ref().is_none_or(|regex| regex.is_match(&ask.path) || regex.is_match(&target));
            if is_meant && *struck < most && line.probability.is_none_or(|part| chance.happens(part)) {
                *struck += 1;
                return Some(line.kind.clone());
            }
        }
        None
    }
}
