//! What a series of round-trip times amounts to.

use std::time::Duration;

/// How many times are kept for the quantiles; beyond it the oldest go. The other figures count all.
const KEPT: usize = 1 << 20;

/// Round-trip times, gathered one by one.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    times: Vec<f64>,
    oldest: usize,
    count: u64,
    min: f64,
    max: f64,
    mean: f64,
    squares: f64,
    last: f64,
    steps: f64,
}

/// The figures, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The least.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// Half are at most this.
    pub median: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
    /// The standard deviation of the population: what ping calls mdev.
    pub mdev: f64,
    /// The mean difference between one and the next (RFC 3550's idea, without its smoothing).
    pub jitter: f64,
}

impl Statistics {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        let time = time.as_secs_f64();
        if self.count == 0 {
            (self.min, self.max) = (time, time);
        } else {
            self.min = self.min.min(time);
            self.max = self.max.max(time);
            self.steps += (time - self.last).abs();
        }
        self.last = time;
        self.count += 1;
        // Welford's method: no difference of large sums.
        let delta = time - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (time - self.mean);
        if self.times.len() < KEPT {
            self.times.push(time);
        } else {
            self.times[self.oldest] = time;
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    /// The figures; none of nothing.
    pub fn summary(&self) -> Option<Summary> {
        let steps = self.count.checked_sub(1)?;
        let mut sorted = self.times.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Summary {
            min: self.min,
            mean: self.mean.clamp(self.min, self.max),
            median: quantile(&sorted, 0.5),
            p90: quantile(&sorted, 0.9),
            p99: quantile(&sorted, 0.99),
            max: self.max,
            mdev: (self.squares / self.count as f64).max(0.0).sqrt(),
            jitter: if steps == 0 { 0.0 } else { self.steps / steps as f64 },
        })
    }
}

/// The quantile of sorted values with linear interpolation (Hyndman and Fan's type 7, as NumPy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * sorted.len().saturating_sub(1) as f64;
    let (below, part) = (place as usize, place.fract());
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or_default();
    at(below) + (at(below + 1) - at(below)) * part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: &[u64]) -> Option<Summary> {
        let mut statistics = Statistics::default();
        millis.iter().for_each(|&ms| statistics.add(Duration::from_millis(ms)));
        statistics.summary()
    }

    #[test]
    fn by_hand() {
        let summary = of(&[1, 3, 2, 6]).expect("four");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(summary.mean, 0.003);
        near(summary.median, 0.0025);
        near(summary.p90, 0.0051);
        near(summary.mdev, 0.0035_f64.sqrt() / 1000.0_f64.sqrt());
        near(summary.jitter, 0.007 / 3.0);
        assert_eq!((summary.min, summary.max), (0.001, 0.006));
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&[5]).map(|one| (one.min, one.median, one.p99, one.mdev, one.jitter)),
            Some((0.005, 0.005, 0.005, 0.0, 0.0))
        );
    }

    proptest! {
        #[test]
        fn figures_are_in_order(millis in proptest::collection::vec(0_u64..100_000, 1..200)) {
            let s = of(&millis).expect("not empty");
            prop_assert!(s.min <= s.median && s.median <= s.p90 && s.p90 <= s.p99 && s.p99 <= s.max);
            prop_assert!(s.min <= s.mean && s.mean <= s.max && s.mdev <= s.max - s.min + 1e-9);
        }
    }
}
