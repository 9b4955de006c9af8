//! Prometheus' text format (0.0.4), read and judged: what a body in it says, and every way in which it breaks the format's rules.
//!
//! To `expect`, `show` and `until` it is one flat JSON object: the sample as it is written (`boxd_processes{status="running"}`) is the key.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

/// What the format's `Content-Type` begins with.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// Whether an answer with this `Content-Type` is in the format.
pub(crate) fn is_exposition(content_type: &str) -> bool {
    content_type.starts_with(MEDIA_TYPE)
}

/// A body in the format.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) families: Vec<Family>,
    /// Rules that it breaks.
    pub(crate) complaints: Vec<String>,
}

/// The samples of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// In their order, values unescaped.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    /// As it is written, `hidden` labels with a mark for their values.
    pub(crate) fn key(&self, hidden: &[String]) -> String {
        let labels = self.labels.iter().map(|(name, value)| {
            let value = if hidden.contains(name) { "[text]" } else { value };
            format!("{name}={}", Value::from(value))
        });
        let labels = labels.collect::<Vec<_>>().join(",");
        if labels.is_empty() { self.name.clone() } else { format!("{}{{{labels}}}", self.name) }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}

impl Exposition {
    /// Reads a body. What cannot be read is a complaint and left out.
    pub(crate) fn read(text: &str) -> Self {
        let mut read = Self::default();
        if !text.is_empty() && !text.ends_with('\n') {
            read.complain("the last line has no end".to_owned());
        }
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let name = rest.split(' ').next().unwrap_or_default();
                if !helped.insert(name) {
                    read.complain(format!("{name} is helped twice"));
                }
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                read.begin(rest, &helped);
            } else if !line.starts_with('#') && !line.is_empty() {
                match sample(line) {
                    Some(sample) => read.put(sample),
                    None => read.complain(format!("no sample: {line}")),
                }
            }
        }
        read.judge();
        read
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        Value::Object(samples.map(|sample| (sample.key(&[]), number(sample.value))).collect::<Map<_, _>>())
    }

    fn complain(&mut self, sentence: String) {
        self.complaints.push(sentence);
    }

    fn begin(&mut self, rest: &str, helped: &BTreeSet<&str>) {
        let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
        if !is_name(name, true) {
            self.complain(format!("`{name}` is no name"));
        }
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            self.complain(format!("`{kind}` of {name} is no type"));
        }
        if self.families.iter().any(|family| family.name == name) {
            self.complain(format!("{name} has its type twice"));
        }
        if !helped.contains(name) {
            self.complain(format!("{name} has a type before its help"));
        }
        self.families.push(Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
    }

    fn put(&mut self, sample: Sample) {
        match self.families.last_mut() {
            Some(family) if family.takes(&sample.name) => family.samples.push(sample),
            _ => self.complain(format!("{} does not stand below its type", sample.name)),
        }
    }

    fn judge(&mut self) {
        let mut seen = BTreeSet::new();
        let mut complaints = Vec::new();
        for family in &self.families {
            for sample in &family.samples {
                if !seen.insert(sample.key(&[])) {
                    complaints.push(format!("{} comes twice", sample.key(&[])));
                }
            }
            complaints.extend(family.complaint());
        }
        self.complaints.extend(complaints);
    }
}

impl Family {
    fn takes(&self, name: &str) -> bool {
        let suffix = name.strip_prefix(self.name.as_str());
        match self.kind.as_str() {
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        }
    }

    fn complaint(&self) -> Option<String> {
        let name = &self.name;
        match self.kind.as_str() {
            "counter" if !name.ends_with("_total") => {
                Some(format!("{name} counts and does not end with _total"))
            }
            "counter" if self.samples.iter().any(|sample| sample.value.is_nan() || sample.value < 0.0) => {
                Some(format!("{name} counts below nothing"))
            }
            "histogram" => self.histogram_complaint().map(|why| format!("{name}: {why}")),
            _ => None,
        }
    }

    /// Ours have no labels but their bounds.
    fn histogram_complaint(&self) -> Option<&'static str> {
        let of = |suffix: &str| {
            let name = format!("{}{suffix}", self.name);
            self.samples.iter().filter(move |sample| sample.name == name).collect::<Vec<_>>()
        };
        let (buckets, sums, counts) = (of("_bucket"), of("_sum"), of("_count"));
        let ([_], [count]) = (&sums[..], &counts[..]) else { return Some("not one sum and one count") };
        let bounds: Option<Vec<f64>> =
            buckets.iter().map(|bucket| float(bucket.label("le").unwrap_or_default())).collect();
        let Some(bounds) = bounds else { return Some("a bucket without a bound") };
        let ascends = |values: &[f64]| values.windows(2).all(|pair| pair[0] <= pair[1]);
        if !bounds.windows(2).all(|pair| pair[0] < pair[1]) {
            return Some("bounds do not ascend");
        }
        if !ascends(&buckets.iter().map(|bucket| bucket.value).collect::<Vec<_>>()) {
            return Some("a bucket holds less than the one before it");
        }
        let last = buckets.last().filter(|last| last.label("le") == Some("+Inf"));
        let is_whole = last.is_some_and(|last| last.value.to_bits() == count.value.to_bits());
        (!is_whole).then_some("the bucket +Inf is not the count")
    }
}

/// `name{label="value",…} number`; a time stamp behind it is not ours.
fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = float(rest.strip_prefix(' ')?)?;
    is_name(name, true).then(|| Sample { name: name.to_owned(), labels, value })
}

type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels: Labels = Vec::new();
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        let (value, behind) = quoted(behind)?;
        if !is_name(name, false) || labels.iter().any(|(known, _)| known == name) {
            return None;
        }
        labels.push((name.to_owned(), value));
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some((labels, behind.strip_prefix('}')?)),
        }
    }
}

/// A value up to its quote, and what stands behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                same @ ('"' | '\\') => same,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
    None
}

fn is_name(text: &str, may_have_colons: bool) -> bool {
    let fits = |(at, character): (usize, char)| {
        character == '_'
            || character.is_ascii_alphabetic()
            || (may_have_colons && character == ':')
            || (at > 0 && character.is_ascii_digit())
    };
    !text.is_empty() && text.char_indices().all(fits)
}

fn float(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// Whole where it is.
fn number(value: f64) -> Value {
    let text = value.to_string();
    text.parse::<u64>()
        .map_or_else(|_| Number::from_f64(value).map_or(Value::Null, Value::Number), Value::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "# HELP a_total A \\n \\\\.\n# TYPE a_total counter\na_total{x=\"/p/{id}\",y=\"q\\\"\\\\\\n\"} 7\na_total 0.5\n\
                        # HELP h H.\n# TYPE h histogram\nh_bucket{le=\"0.001\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 2.5\nh_count 3\n";

    #[test]
    fn a_body_is_one_object_of_its_samples() {
        let read = Exposition::read(GOOD);
        assert_eq!(read.complaints, [""; 0]);
        let json = read.json();
        assert_eq!(json.pointer("/a_total{x=\"~1p~1{id}\",y=\"q\\\"\\\\\\n\"}"), Some(&Value::from(7)));
        assert_eq!(json.pointer("/a_total"), Some(&Value::from(0.5)));
        assert_eq!(json.pointer("/h_bucket{le=\"+Inf\"}"), Some(&Value::from(3)));
        assert_eq!(read.families[0].samples[0].key(&["x".to_owned()]), r#"a_total{x="[text]",y="q\"\\\n"}"#);
    }

    #[test]
    fn what_breaks_the_format_is_told() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let complaints = Exposition::read(text).complaints;
            assert!(complaints.iter().any(|complaint| complaint.contains(expect)), "{complaints:?}");
        }
        let family = |rest: &str| format!("# HELP a A.\n# TYPE a gauge\n{rest}");
        check(&family("a 1"), "the last line has no end");
        check(&family("a 1\na 2\n"), "a comes twice");
        check(&family("b 1\n"), "b does not stand below its type");
        check("a 1\n", "a does not stand below its type");
        check("# TYPE a gauge\n", "a has a type before its help");
        check(&family(&family("a 1\n")), "a has its type twice");
        check(&family(&family("a 1\n")), "a is helped twice");
        check("# HELP a A.\n# TYPE a dial\n", "`dial` of a is no type");
        check("# HELP 1a A.\n# TYPE 1a gauge\n", "`1a` is no name");
        for bad in [
            "a",
            "a x",
            "a{} 1",
            "a{b=\"c} 1",
            "a{b=\"\\x\"} 1",
            "a{b=\"1\",b=\"2\"} 1",
            "a{1=\"\"} 1",
            "a  1",
            "a inf",
        ] {
            check(&family(&format!("{bad}\n")), "no sample");
        }
        check("# HELP a A.\n# TYPE a counter\na 1\n", "a counts and does not end with _total");
        check("# HELP a_total A.\n# TYPE a_total counter\na_total -1\n", "counts below nothing");
        let histogram = |rest: &str| format!("# HELP h H.\n# TYPE h histogram\n{rest}h_sum 1\n");
        check(&histogram(""), "not one sum and one count");
        check(&histogram("h_bucket{le=\"1\"} 1\nh_count 1\n"), "the bucket +Inf is not the count");
        check(&histogram("h_bucket{le=\"+Inf\"} 1\nh_count 2\n"), "the bucket +Inf is not the count");
        check(&histogram("h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_count 1\n"), "bounds do not ascend");
        check(
            &histogram("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n"),
            "less than the one before",
        );
        check(&histogram("h_bucket 2\nh_count 1\n"), "a bucket without a bound");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_complained_about(text in "(# HELP |# TYPE |counter|histogram|_bucket|\\{le=\"|\"\\}|\n| |[a-z0-9é\"{}=,.+-]){0,30}") {
            let read = Exposition::read(&text);
            drop(read.json());
            prop_assert!(text.is_empty() || text.ends_with('\n') || !read.complaints.is_empty(), "{text:?}");
        }
    }
}
