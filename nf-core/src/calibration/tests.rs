use super::*;
use crate::model::Random;
use proptest::prelude::*;

/// Draws of a distribution by name, all sorts of tails.
fn draw(name: &str, random: &mut Random) -> f32 {
    let u = 1.0 - random.uniform();
    match name {
        "uniform" => u,
        "normal" => random.normal(),
        "exponential" => -u.ln(),
        "lognormal" => random.normal().exp(),
        "pareto" => u.powf(-0.7),
        "two heaps" => random.normal() + if u < 0.02 { 12.0 } else { 0.0 },
        "capped" => (-u.ln()).min(3.0),
        "counts" => (-3.0 * u.ln()).floor(),
        _ => unreachable!(),
    }
}

const ALL: [&str; 8] = ["uniform", "normal", "exponential", "lognormal", "pareto", "two heaps", "capped", "counts"];

fn sample(name: &str, n: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| draw(name, &mut random)).collect()
}

#[test]
fn p_values_of_fresh_benign_scores_are_uniform_or_above() {
    for name in ALL {
        for n in [20, 300, 1000, 5000] {
            // Fresh scores of one calibration share its luck, so that many calibrations are drawn.
            let (rounds, fresh) = (80_u64, 50);
            let p: Vec<f64> = (0..rounds)
                .flat_map(|seed| {
                    let calibration = Calibration::fit(&sample(name, n, seed)).unwrap();
                    sample(name, fresh, seed + 10_000).into_iter().map(move |x| calibration.p_value(x))
                })
                .collect();
            for level in [0.01, 0.05, 0.1, 0.3, 0.5, 0.9] {
                let share = p.iter().filter(|&&p| p <= level).count() as f64 / p.len() as f64;
                // Independent draws vary by this much, and the calibrations' luck by as much again.
                let total = p.len() as f64;
                let luck = 4.0 * (level * (1.0 - level) * (1.0 / total + 1.0 / (rounds * n as u64) as f64)).sqrt();
                assert!(share <= level + luck, "{name}, n {n}: {share} of p-values are at most {level}");
                let exact = !matches!(name, "counts" | "capped") && n >= 300;
                assert!(!exact || share >= 0.85 * level - luck - 1.0 / n as f64, "{name}, n {n}: {share} at {level}");
            }
        }
    }
}

#[test]
fn a_budget_holds_on_unseen_scores() {
    for name in ALL {
        for (n, rate) in [(300, 0.01), (2000, 0.01), (2000, 0.001), (500, 0.1)] {
            let (rounds, fresh) = (60_u64, 5000);
            let mut shares = Vec::new();
            for seed in 0..rounds {
                let Ok(cut) = Calibration::fit(&sample(name, n, seed)).unwrap().threshold(rate) else { continue };
                let above = sample(name, fresh, seed + 777).into_iter().filter(|&x| x > cut).count();
                shares.push(above as f64 / fresh as f64);
            }
            let count = shares.len() as f64;
            let mean = shares.iter().sum::<f64>() / count;
            let luck = 4.0 * (rate / (n as f64 * count) + rate / (fresh as f64 * count)).sqrt();
            assert!(shares.is_empty() || mean <= 1.1 * rate + luck, "{name}, n {n}: {mean} instead of {rate}");
            let smooth = !matches!(name, "counts" | "capped" | "two heaps");
            assert!(!smooth || !shares.is_empty() && mean >= 0.7 * rate - luck, "{name}, n {n}: {mean}, not {rate}");
        }
    }
}

#[test]
fn smooth_tails_are_sound_and_capped_ones_are_not() {
    let sound =
        |name| (0..50).filter(|&seed| Calibration::fit(&sample(name, 3000, seed)).unwrap().tail_is_sound()).count();
    for name in ["uniform", "exponential", "lognormal", "pareto"] {
        assert!(sound(name) >= 45, "{name}: {} of 50", sound(name));
    }
    assert_eq!(sound("capped"), 0);
    assert!(!Calibration::fit(&sample("normal", 200, 1)).unwrap().tail_is_sound(), "too few to fit");
}

#[test]
fn a_rare_budget_is_met_where_the_tail_is_sound() {
    // 1 in 4000 of 3000: no held-out score lies that far out.
    let mut shares = Vec::new();
    for seed in 0..60 {
        if let Ok(cut) = Calibration::fit(&sample("exponential", 3000, seed)).unwrap().threshold(0.00025) {
            shares.push(f64::from(-cut).exp());
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(shares.len() >= 50 && (0.0001..0.0005).contains(&mean), "{mean} in {} rounds", shares.len());
}

#[test]
fn ranking_goes_on_where_the_data_end() {
    for name in ALL {
        let calibration = Calibration::fit(&sample(name, 1000, 5)).unwrap();
        let highest = calibration.scores()[999];
        let (mut last, mut last_p) = (calibration.surprise(highest), calibration.p_value(highest));
        for step in [1e-3, 1.0, 1e3, 1e6, 1e30, 3e38] {
            let score = highest + step;
            let (surprise, p) = (calibration.surprise(score), calibration.p_value(score));
            assert!(surprise > last && surprise.is_finite(), "{name} {score}: {surprise} after {last}");
            assert!(p > 0.0 && p <= last_p, "{name} {score}");
            if calibration.tail_is_sound() {
                assert!(p < last_p, "{name} {score}");
            } else {
                assert_eq!(p, 1.0 / 1001.0);
            }
            (last, last_p) = (surprise, p);
        }
    }
}

#[test]
fn equal_scores_and_single_ones_have_p_values() {
    for n in [1, 50, 1000] {
        let calibration = Calibration::fit(&vec![2.5; n]).unwrap();
        assert!(!calibration.tail_is_sound());
        assert_eq!((calibration.p_value(2.0), calibration.p_value(2.5)), (1.0, 1.0));
        assert_eq!(calibration.p_value(2.6), 1.0 / (n as f64 + 1.0));
        assert_eq!((calibration.surprise(2.0), calibration.surprise(2.5)), (0.0, 0.0));
        assert!(calibration.surprise(3.0) > calibration.surprise(2.6));
    }
    assert_eq!(Calibration::fit(&[2.5; 1000]).unwrap().threshold(0.01).unwrap(), 2.5);
    let zeros = Calibration::fit(&[0.0, -0.0, 0.0]).unwrap();
    assert_eq!((zeros.p_value(0.0), zeros.p_value(-0.0)), (1.0, 1.0));
    assert!(zeros.surprise(1.0).is_finite());
}

#[test]
fn the_cut_leaves_what_the_budget_allows() {
    // 1 + above may be at most 0.1 * 300, and so few scores have no fitted tail.
    let scores: Vec<f32> = (0..299).map(|i| (i / 3) as f32).collect();
    let calibration = Calibration::fit(&scores).unwrap();
    assert!(!calibration.tail_is_sound());
    let cut = calibration.threshold(0.1).unwrap();
    assert_eq!(scores.iter().filter(|&&score| score > cut).count(), 29);
    assert_eq!((calibration.p_value(cut), calibration.p_value(cut.next_up())), (33.0 / 300.0, 0.1));
}

#[test]
fn refuses_what_is_no_score() {
    let message = |scores: &[f32]| {
        let error = Calibration::fit(scores).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        error.to_string()
    };
    assert_eq!(message(&[]), "0 scores to calibrate on, at least 1 is needed");
    assert_eq!(message(&[1.0, f32::NAN]), "score 1 is NaN, scores must be finite");
    assert_eq!(message(&[f32::INFINITY]), "score 0 is inf, scores must be finite");
}

#[test]
fn refuses_promises_it_cannot_keep() {
    let lumpy = Calibration::fit(&sample("capped", 299, 1)).unwrap();
    let refuse = |calibration: &Calibration, rate| {
        let error = calibration.threshold(rate).unwrap_err();
        (error.kind(), error.to_string())
    };
    assert_eq!(
        refuse(&lumpy, 0.01),
        (
            ErrorKind::Data,
            "299 held-out benign sessions cannot promise a false-positive rate of 0.01 (their highest scores follow no \
             tail that could be extrapolated): 1 more are needed, 300 in all"
                .to_owned()
        )
    );
    assert!(Calibration::fit(&sample("capped", 300, 1)).unwrap().threshold(0.01).is_ok());
    let smooth = Calibration::fit(&sample("exponential", 1000, 1)).unwrap();
    assert!(smooth.tail_is_sound() && smooth.threshold(0.0005).is_ok());
    assert_eq!(
        refuse(&smooth, 0.0004).1,
        "1000 held-out benign sessions cannot promise a false-positive rate of 0.0004: 250 more are needed, 1250 in all"
    );
    for rate in [0.0, -0.1, 0.51, f64::NAN] {
        let (kind, message) = refuse(&smooth, rate);
        assert_eq!(kind, ErrorKind::Config);
        assert_eq!(message, format!("false_positive_rate is {rate}, it must be above 0 and at most 0.5"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p_values_never_rise_and_the_cut_agrees_with_them(
        scores in prop::collection::vec(prop_oneof![-1e3f32..1e3, Just(0.0f32), 0.0f32..1e-3], 1..800),
        mut probes in prop::collection::vec(-2e3f32..2e3, 2..60),
        rate in 0.002f64..0.5,
    ) {
        let calibration = Calibration::fit(&scores).unwrap();
        probes.extend(scores.iter().take(50));
        probes.extend(scores.iter().take(50).map(|score| score.next_up()));
        probes.sort_by(f32::total_cmp);
        let lowest = calibration.scores()[0];
        // Scores that differ by less than this share of their range may round to one surprise.
        let apart = 1e-9 * (2e3 + f64::from(calibration.scores()[scores.len() - 1] - lowest));
        for pair in probes.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            prop_assert!(calibration.p_value(a) >= calibration.p_value(b), "{a} {b}");
            prop_assert!(calibration.p_value(b) > 0.0 && calibration.p_value(a) <= 1.0);
            let (sa, sb) = (calibration.surprise(a), calibration.surprise(b));
            prop_assert!(sa <= sb, "{a} {b}: {sa} {sb}");
            let strictly = a >= lowest && f64::from(b) - f64::from(a) > apart;
            prop_assert!(!strictly || sa < sb, "{a} {b}: {sa} {sb}");
        }
        if let Ok(cut) = calibration.threshold(rate) {
            for &probe in probes.iter().chain([&cut, &cut.next_up()]) {
                prop_assert_eq!(probe > cut, calibration.p_value(probe) <= rate, "{} {}", probe, cut);
            }
        }
    }
}
