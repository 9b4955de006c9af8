//! The limits of a process, as a client asks for them and as they are shown again.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::decode::{Field, Record};

/// What a process, all its runs and all its descendants together may use. Absent is without end. Whatever is exceeded, everything that
/// belongs to the process is killed, and the process is over with `status` `killed` and the limit's `reason`, restarts or
/// not. A limit that this host cannot enforce is refused with 422: see `GET /capabilities`. Unknown limits are refused with 400.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessLimits {
    /// Memory in bytes, 1 MiB at least, the page cache that the process fills included. Needs a control group. Reason
    /// `memory_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1_048_576, examples(268_435_456))]
    pub(crate) memory_bytes: Option<i64>,
    /// Seconds of CPU time, fractions allowed. Where no control group counts it, descendants that were orphaned and have ended
    /// are not in the sum. Reason `cpu_limit`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest")]
    #[schema(exclusive_minimum = 0, examples(60))]
    pub(crate) cpu_seconds: Option<f64>,
    /// Processes and threads at one time. A fork beyond it fails, and that it failed ends the process. Needs a control group.
    /// Reason `pids_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, examples(64))]
    pub(crate) pids: Option<i64>,
    /// Seconds since the first run started, fractions allowed. Unlike `timeout` it does not begin anew with each run. Reason
    /// `wall_limit`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest")]
    #[schema(exclusive_minimum = 0, examples(600))]
    pub(crate) wall_seconds: Option<f64>,
    /// Bytes of standard output and standard error together. What was printed beyond it before the kill is kept and shown.
    /// Reason `output_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, examples(10_485_760))]
    pub(crate) output_bytes: Option<i64>,
    /// Seconds without a byte of output, fractions allowed. A new run begins anew. Reason `idle_limit`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest")]
    #[schema(exclusive_minimum = 0, examples(30))]
    pub(crate) idle_seconds: Option<f64>,
    /// Fields that are no limits. A mistyped limit that is silently not enforced would be a trap.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) unknown: Vec<String>,
}

impl Record for ProcessLimits {
    const TYPE: &'static str = "handler.ProcessLimits";

    fn read(&mut self, field: &mut Field<'_>) {
        let known = [
            field.read("memoryBytes", &mut self.memory_bytes),
            field.read("cpuSeconds", &mut self.cpu_seconds),
            field.read("pids", &mut self.pids),
            field.read("wallSeconds", &mut self.wall_seconds),
            field.read("outputBytes", &mut self.output_bytes),
            field.read("idleSeconds", &mut self.idle_seconds),
        ];
        if !known.contains(&true) {
            self.unknown.push(field.key().to_owned());
        }
    }
}

/// Whole seconds as an integer: clients that count in integers can read those.
#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn shortest<S: Serializer>(seconds: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    /// Up to here every integer has a floating-point number of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match seconds {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Some(seconds) if seconds.fract() == 0.0 && seconds.abs() <= EXACT_MAX => {
            serializer.serialize_i64(*seconds as i64)
        }
        Some(seconds) => serializer.serialize_f64(*seconds),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ProcessRequest;

    #[track_caller]
    fn check(limits: &str, expect: ProcessLimits) {
        let body = format!(r#"{{"command":"true","limits":{limits}}}"#);
        assert_eq!(ProcessRequest::decode(body.as_bytes()).unwrap().limits, Some(expect));
    }

    #[track_caller]
    fn check_error(limits: &str, expect: &str) {
        let body = format!(r#"{{"command":"true","limits":{limits}}}"#);
        let error = ProcessRequest::decode(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("json: cannot unmarshal {expect}"));
    }

    #[test]
    fn limits_are_numbers() {
        let none = ProcessLimits::default;
        check("{}", none());
        check(
            r#"{"memoryBytes":1048576,"PIDS":3}"#,
            ProcessLimits { memory_bytes: Some(1 << 20), pids: Some(3), ..none() },
        );
        check(
            r#"{"cpuSeconds":1.5,"wallSeconds":2,"idleSeconds":1e1,"outputBytes":null}"#,
            ProcessLimits {
                cpu_seconds: Some(1.5),
                wall_seconds: Some(2.0),
                idle_seconds: Some(10.0),
                ..none()
            },
        );
        check(r#"{"memory":1}"#, ProcessLimits { unknown: vec!["memory".to_owned()], ..none() });
        let null = ProcessRequest::decode(br#"{"command":"true","limits":null}"#).unwrap();
        assert_eq!(null.limits, None);
        check_error("1", "number into Go struct field ProcessRequest.limits of type handler.ProcessLimits");
        check_error(r#"{"pids":"3"}"#, "string into Go struct field ProcessLimits.limits.pids of type int");
        check_error(
            r#"{"memoryBytes":1.5}"#,
            "number 1.5 into Go struct field ProcessLimits.limits.memoryBytes of type int",
        );
        check_error(
            r#"{"cpuSeconds":"1"}"#,
            "string into Go struct field ProcessLimits.limits.cpuSeconds of type float64",
        );
        check_error(
            r#"{"wallSeconds":1e999}"#,
            "number 1e999 into Go struct field ProcessLimits.limits.wallSeconds of type float64",
        );
    }

    #[test]
    fn limits_are_shown_as_they_were_asked_for() {
        let limits = ProcessLimits {
            memory_bytes: Some(1 << 20),
            cpu_seconds: Some(0.5),
            wall_seconds: Some(2.0),
            ..ProcessLimits::default()
        };
        let text = String::from_utf8(crate::wire::json::to_vec(&limits)).unwrap();
        assert_eq!(text, r#"{"memoryBytes":1048576,"cpuSeconds":0.5,"wallSeconds":2}"#);
    }
}
