//! `Row`: one line of the table; `Goal`: what is asked of it and whether it is reached. Pure.

use serde::Serialize;

use super::statistics::{greatest, least, median};

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// 10^6 bytes a second.
    #[serde(rename = "MB/s")]
    MegabytesPerSecond,
    /// 2^20 bytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// 2^10 bytes.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// 10^6 bytes.
    #[serde(rename = "MB")]
    Megabytes,
}

impl Unit {
    /// A number with its unit.
    pub(crate) fn text(self, value: f64) -> String {
        let name = match self {
            Self::Milliseconds => " ms",
            Self::PerSecond => "/s",
            Self::MegabytesPerSecond => " MB/s",
            Self::Mebibytes => " MiB",
            Self::Kibibytes => " KiB",
            Self::Megabytes => " MB",
        };
        self.number(value) + name
    }

    /// A number with as many digits as a reader can use.
    pub(crate) fn number(self, value: f64) -> String {
        match self {
            Self::Milliseconds if value.abs() < 100.0 => format!("{value:.2}"),
            Self::Milliseconds => format!("{value:.0}"),
            Self::PerSecond | Self::MegabytesPerSecond => thousands(value),
            Self::Mebibytes if value < 1.0 => format!("{value:.2}"),
            Self::Mebibytes | Self::Kibibytes | Self::Megabytes => format!("{value:.1}"),
        }
    }
}

/// What is asked of a result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// At most so much more than the floor.
    Adds(f64),
    /// At most so many times the floor.
    Times(f64),
    /// At least this share of the floor.
    Share(f64),
    /// At least this. A floor is there for comparison only.
    AtLeast(f64),
    /// At most this. A floor is there for comparison only.
    AtMost(f64),
    /// At least the worst round of the floor: what differs is noise.
    Noise,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// How often.
    pub(crate) n: String,
    /// What the machine does without a daemon, round by round; empty when there is nothing to compare with.
    pub(crate) floors: Vec<f64>,
    /// What it does with one, round by round.
    pub(crate) results: Vec<f64>,
    /// What both count.
    pub(crate) unit: Unit,
    /// What is asked.
    pub(crate) goal: Goal,
}

impl Row {
    /// The floor's median, when there is a floor.
    pub(crate) fn floor(&self) -> Option<f64> {
        (!self.floors.is_empty()).then(|| median(&self.floors))
    }

    /// The result's median.
    pub(crate) fn result(&self) -> f64 {
        median(&self.results)
    }

    /// Whether the goal is reached.
    pub(crate) fn is_reached(&self) -> bool {
        let (floor, result) = (self.floor().unwrap_or_default(), self.result());
        match self.goal {
            Goal::Adds(more) => result - floor <= more,
            Goal::Times(times) => result <= floor * times,
            Goal::Share(share) => result >= floor * share,
            Goal::AtLeast(least) => result >= least,
            Goal::AtMost(most) => result <= most,
            Goal::Noise => result >= least(&self.floors),
        }
    }

    /// The result beside the floor, as the goal looks at it.
    pub(crate) fn comparison(&self) -> String {
        let Some(floor) = self.floor() else { return "–".to_owned() };
        let result = self.result();
        match self.goal {
            Goal::Adds(_) => format!("{:+.2} ms", result - floor),
            Goal::Times(_) => format!("× {:.2}", result / floor),
            Goal::Share(_) | Goal::AtLeast(_) | Goal::AtMost(_) => format!("{:.0} %", result / floor * 100.0),
            Goal::Noise => format!("{:+.1} %", (result / floor - 1.0) * 100.0),
        }
    }

    /// The goal in words.
    pub(crate) fn target(&self) -> String {
        match self.goal {
            Goal::Adds(more) => format!("≤ +{}", self.unit.text(more)),
            Goal::Times(times) => format!("≤ × {times:.1}"),
            Goal::Share(share) => format!("≥ {:.0} %", share * 100.0),
            Goal::AtLeast(least) => format!("≥ {}", self.unit.text(least)),
            Goal::AtMost(most) => format!("≤ {}", self.unit.text(most)),
            Goal::Noise => format!("≥ {}, the worst round without", self.unit.text(least(&self.floors))),
        }
    }

    /// The row of a Markdown table. Behind the median of the result stand its lowest and highest round.
    pub(crate) fn markdown(&self) -> String {
        let floor = self.floor().map_or_else(|| "–".to_owned(), |floor| self.unit.text(floor));
        let range = if self.results.len() > 1 {
            let [low, high] = [least, greatest].map(|end| self.unit.number(end(&self.results)));
            format!(" ({low}–{high})")
        } else {
            String::new()
        };
        let result = self.unit.text(self.result()) + &range;
        let reached = if self.is_reached() { "yes" } else { "**no**" };
        let (comparison, target) = (self.comparison(), self.target());
        format!("| {} | {floor} | {result} | {comparison} | {target} | {reached} | {} |", self.figure, self.n)
    }
}

/// A number of at least 10 without fraction, its thousands set apart; a smaller one with one digit of it.
fn thousands(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_and_told() {
        #[track_caller]
        fn check(goal: Goal, unit: Unit, result: f64, expected: &str) {
            let (floors, results) = (vec![95.0, 100.0, 105.0], vec![result]);
            let row = Row { figure: "f".into(), n: "n".into(), floors, results, unit, goal };
            assert_eq!(row.markdown(), format!("| f | {} | {expected} | n |", unit.text(100.0)));
        }
        let (ms, rate) = (Unit::Milliseconds, Unit::PerSecond);
        check(Goal::Adds(0.5), ms, 100.4, "100 ms | +0.40 ms | ≤ +0.50 ms | yes");
        check(Goal::Adds(0.5), ms, 101.0, "101 ms | +1.00 ms | ≤ +0.50 ms | **no**");
        check(Goal::Times(2.2), ms, 230.0, "230 ms | × 2.30 | ≤ × 2.2 | **no**");
        check(Goal::Share(0.8), rate, 81.0, "81/s | 81 % | ≥ 80 % | yes");
        check(Goal::AtLeast(50_000.0), rate, 54_321.0, "54,321/s | 54321 % | ≥ 50,000/s | yes");
        check(Goal::AtMost(8.0), ms, 7.0, "7.00 ms | 7 % | ≤ 8.00 ms | yes");
        check(Goal::Noise, rate, 94.0, "94/s | -6.0 % | ≥ 95/s, the worst round without | **no**");
    }

    #[test]
    fn a_figure_without_a_floor_is_compared_with_nothing() {
        let (unit, goal) = (Unit::Mebibytes, Goal::AtMost(8.0));
        let results = vec![6.8, 6.9, 7.2];
        let row = Row { figure: "f".into(), n: "3".into(), floors: Vec::new(), results, unit, goal };
        assert_eq!(row.markdown(), "| f | – | 6.9 MiB (6.8–7.2) | – | ≤ 8.0 MiB | yes | 3 |");
    }
}
