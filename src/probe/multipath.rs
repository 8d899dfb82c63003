//! When to stop looking for further addresses of a hop: the stopping points of the MDA (Augustin et al., "Multipath tracing
//! with Paris traceroute", 2007), for balancers that spread flows evenly.

/// How many probes have to be spread, evenly and at random, over `found` + 1 addresses so that each is hit with a
/// probability of at least 95 %: so many without news from a further address rule it out.
pub fn probes_for(found: usize) -> u16 {
    let all = found.min(64) + 1;
    let missed = |probes: u16| {
        let mut sum = 0.0;
        let mut choose = 1.0;
        for out in 1..all {
            choose *= (all - out + 1) as f64 / out as f64;
            let term = choose * (1.0 - out as f64 / all as f64).powi(i32::from(probes));
            sum += if out % 2 == 1 { term } else { -term };
        }
        sum
    };
    (all as u16..1000).find(|&probes| missed(probes) <= 0.05).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_stopping_points() {
        // Augustin et al. 2007, for 95 %.
        assert_eq!([1, 2, 3, 4, 5, 6].map(probes_for), [6, 11, 16, 21, 27, 33]);
    }
}
