//! `[telemetry]`: whether and where spans are sent. Sends none.

use serde_json::Value;

use crate::config::fault::FaultCode;
use crate::config::layers::Raw;
use crate::config::read::{Reader, Refusal};

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Address of a collector that speaks OTLP/gRPC, e.g. `http://127.0.0.1:4317`; without one nothing is recorded.
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` sets it too.
    pub otlp_endpoint: Option<String>,
    /// Share of the traces that begin at the host that are recorded; a caller's trace is recorded where the caller says so.
    pub sample_ratio: Ratio,
    /// Name of this host in traces. Default `modrack-host`; `OTEL_SERVICE_NAME` sets it too.
    pub service_name: String,
}

/// A share from 0 to 1, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio {
    millionths: u32,
}

impl Ratio {
    /// All.
    pub const ONE: Self = Self { millionths: 1_000_000 };

    /// The nearest share; `None` for what is not between 0 and 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self { millionths: (share * 1e6).round() as u32 })
    }

    /// As a number from 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

pub(super) fn read(r: &mut Reader<'_>) -> Telemetry {
    let otlp_endpoint = r.text("telemetry.otlp_endpoint", "", |text| {
        let known = text.is_empty() || ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
        let hint =
            "give the address of a collector's OTLP/gRPC port, e.g. `http://127.0.0.1:4317`; `\"\"` sends nothing";
        let uri = || text.is_empty() || text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some());
        if known && uri() {
            return Ok(());
        }
        let message = format!("`telemetry.otlp_endpoint` cannot be `{text}`");
        Err(Refusal::new(FaultCode::ValueInvalid, message, hint))
    });
    Telemetry {
        otlp_endpoint: Some(otlp_endpoint).filter(|endpoint| !endpoint.is_empty()),
        sample_ratio: ratio(r, "telemetry.sample_ratio", Ratio::ONE),
        service_name: r.text("telemetry.service_name", "modrack-host", |text| {
            if !text.trim().is_empty() && text.len() <= 255 {
                return Ok(());
            }
            let message = "`telemetry.service_name` is empty or too long";
            Err(Refusal::new(FaultCode::ValueInvalid, message, "give the host a name of at most 255 bytes"))
        }),
    }
}

fn ratio(r: &mut Reader<'_>, key: &str, default: Ratio) -> Ratio {
    let refused = |shown: &str| {
        let message = format!("`{key}` cannot be {shown}");
        Refusal::new(FaultCode::ValueRange, message, "give a number from 0 to 1, e.g. 0.01")
    };
    r.take(
        key,
        default,
        |ratio| Value::from(ratio.as_f64()),
        |raw, _| match raw {
            Raw::Text(text) | Raw::Float(text) => {
                text.trim().parse().ok().and_then(Ratio::new).ok_or_else(|| refused(text))
            }
            Raw::Integer(Ok(0)) => Ok(Ratio { millionths: 0 }),
            Raw::Integer(Ok(1)) => Ok(Ratio::ONE),
            Raw::Integer(Ok(number)) => Err(refused(&number.to_string())),
            raw => Err(refused(raw.kind())),
        },
    )
}
