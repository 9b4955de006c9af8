//! `Exposition`: numbers as Prometheus reads them (text format 0.0.4). Pure.
//!
//! ```text
//! # HELP boxd_gaps_total …
//! # TYPE boxd_gaps_total counter
//! boxd_gaps_total 0
//! ```

use std::fmt::{self, Display, Write};

use crate::metrics::Distribution;

/// The `Content-Type` of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    /// It comes and goes.
    Gauge,
    /// It is a distribution.
    Histogram,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    out: String,
}

/// The samples of one name.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins the samples of a name, which is said once.
    pub(crate) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // A String takes all that is written, here and below.
        write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        Family { out: &mut self.out, name }
    }

    /// A family of one counter.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(Kind::Counter, name, help).sample(&[], value);
    }

    /// A family of one gauge.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(Kind::Gauge, name, help).sample(&[], value);
    }

    /// A family of one gauge that is left out where nothing is known.
    pub(crate) fn gauge_if_known(&mut self, name: &'static str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// A family of one histogram, in seconds.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &str, distribution: &Distribution) {
        let mut family = self.family(Kind::Histogram, name, help);
        for (bound, count) in &distribution.up_to {
            family.part("_bucket", &[("le", &bound.as_secs_f64().to_string())], count);
        }
        family.part("_bucket", &[("le", "+Inf")], distribution.count);
        family.part("_sum", &[], distribution.sum.as_secs_f64());
        family.part("_count", &[], distribution.count);
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

impl Family<'_> {
    /// A number with its labels.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = Labels(labels);
        writeln!(self.out, "{}{suffix}{labels} {value}", self.name).ok();
    }
}

struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, value)) in self.0.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(f, "{}{name}=\"{value}\"", if n == 0 { '{' } else { ',' })?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_labels_and_numbers_are_written_as_the_format_wants_them() {
        let mut exposition = Exposition::default();
        exposition.counter("a_total", "One\\two\nthree.", 7);
        let mut family = exposition.family(Kind::Gauge, "b", "B.");
        family.sample(&[("x", "1"), ("y", "a\"b\\c\nd")], 0.25);
        exposition.gauge_if_known("c", "C.", None::<u64>);
        let millis = Duration::from_millis;
        let distribution =
            Distribution { up_to: vec![(millis(1), 2), (millis(2500), 3)], count: 4, sum: millis(9001) };
        exposition.histogram("d_seconds", "D.", &distribution);
        assert_eq!(
            exposition.finish(),
            r#"# HELP a_total One\\two\nthree.
# TYPE a_total counter
a_total 7
# HELP b B.
# TYPE b gauge
b{x="1",y="a\"b\\c\nd"} 0.25
# HELP d_seconds D.
# TYPE d_seconds histogram
d_seconds_bucket{le="0.001"} 2
d_seconds_bucket{le="2.5"} 3
d_seconds_bucket{le="+Inf"} 4
d_seconds_sum 9.001
d_seconds_count 4
"#
        );
    }
}
