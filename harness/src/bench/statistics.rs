//! The few numbers that stand for many. Pure.

/// The middle of the values, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (len, middle) if len % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that at least `percent` of the values don't exceed (nearest rank); 0 of none.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The smallest value; 0 of none.
pub(crate) fn least(values: &[f64]) -> f64 {
    sorted(values).first().copied().unwrap_or_default()
}

/// The largest value; 0 of none.
pub(crate) fn greatest(values: &[f64]) -> f64 {
    sorted(values).last().copied().unwrap_or_default()
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts of a measurement are far below 2^52")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_by_the_book() {
        #[track_caller]
        fn check(values: &[f64], expected: [f64; 3]) {
            let found = [median(values), percentile(values, 99), least(values)];
            assert!(
                found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9),
                "{found:?}"
            );
        }
        check(&[], [0.0; 3]);
        check(&[3.0], [3.0; 3]);
        check(&[4.0, 1.0, 3.0, 2.0], [2.5, 4.0, 1.0]);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, [50.5, 99.0, 1.0]);
        assert!((percentile(&hundred, 50) - 50.0).abs() < 1e-9);
    }
}
