//! Answers that go wrong, each in its own way.

use std::io::Result;

use serde_json::json;

use super::http::Wire;
use super::server::{Bound, Protocol};
use super::{Asked, Fault};

/// What is said before a stream breaks.
const BEGINNING: &str = "This will not come to its end";

/// Answers a request with a fault.
pub(super) fn serve(fault: &Fault, wire: &mut Wire<'_>, protocol: Protocol, asked: &Asked) -> Result<()> {
    match fault {
        Fault::Status(status) => wire.json(*status, &[], &protocol.refusal(*status, None)),
        Fault::RetryAfter(secs) => {
            wire.json(429, &[("retry-after", secs.to_string())], &protocol.refusal(429, None))
        }
        Fault::Exhausted { kind, resets_at } => {
            let mut body = protocol.refusal(429, Some(kind));
            if *kind == "usage_limit_reached" {
                body["error"]["resets_at"] = json!(resets_at);
                body["error"]["plan_type"] = json!("plus");
            }
            wire.json(429, &[], &body)
        }
        Fault::Hang => wire.wait(),
        Fault::Stall => {
            begin(wire, protocol, asked)?;
            wire.wait()
        }
        Fault::Cut => begin(wire, protocol, asked),
        Fault::Garbage => wire.whole(200, "text/html", &[], b"<html><body>not the protocol</body></html>"),
        Fault::GarbageEvents => {
            wire.begin_stream()?;
            wire.chunk(b"event: nonsense\ndata: {\"type\": \"nonsense\", \"broken\":\n\n")?;
            wire.chunk(b"data: \xff\xfe not text\n\n")?;
            wire.chunk(b"")
        }
    }
}

/// The beginning of an answer, as far as its first words.
fn begin(wire: &mut Wire<'_>, protocol: Protocol, asked: &Asked) -> Result<()> {
    let bound = Bound::words(BEGINNING, asked);
    if !asked.is_streamed {
        return wire.promise(b"{\"id\": \"");
    }
    wire.begin_stream()?;
    for event in protocol.stream(&bound) {
        wire.chunk(&event.bytes())?;
        if event.data.contains(BEGINNING) {
            break;
        }
    }
    Ok(())
}
