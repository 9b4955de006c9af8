//! Durations as people write them.

use std::time::Duration;

/// The longest duration: no clock comes to its end by adding it.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Reads `500ms`, `10s`, `2m`, `24h`; a bare number is seconds. What is longer than a hundred years is a hundred years.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is no duration: write 500ms, 10s, 2m or 24h"))?;
    let (factor, millis) = match unit {
        "ms" => (1, true),
        "" | "s" => (1, false),
        "m" => (60, false),
        "h" => (3600, false),
        "d" => (86_400, false),
        _ => return Err(format!("`{text}` has no known unit: write ms, s, m, h or d")),
    };
    let duration = if millis {
        Duration::from_millis(number)
    } else {
        Duration::from_secs(number.saturating_mul(factor))
    };
    Ok(duration.min(LONGEST))
}

/// The same for times that are waited for: none at all would be over before anything could happen.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() {
        return Err("it must be longer than 0; for a wait without end write 9999d".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        #[track_caller]
        fn check(text: &str, expect: Option<Duration>) {
            assert_eq!(duration(text).ok(), expect, "{text}");
        }
        check("500ms", Some(Duration::from_millis(500)));
        check("10s", Some(Duration::from_secs(10)));
        check("10", Some(Duration::from_secs(10)));
        check("2m", Some(Duration::from_mins(2)));
        check("24h", Some(Duration::from_hours(24)));
        check("0s", Some(Duration::ZERO));
        check("99999999999999999d", Some(LONGEST));
        for bad in ["", "s", "-1s", "1.5s", "1 s", "1y"] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_waited_for_takes_time() {
        assert_eq!(positive_duration("1ms"), Ok(Duration::from_millis(1)));
        for bad in ["0", "0ms", "0s", "0d", "1y"] {
            assert!(positive_duration(bad).is_err(), "{bad}");
        }
    }
}
