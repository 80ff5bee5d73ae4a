use super::testing::{Distance, cut, frames, frames_with_uploads};
use super::*;
use crate::features::{FeatureSpec, Rows, Scaler};
use crate::model::{Model, Progress};
use crate::session::Looks;
use std::{ops::ControlFlow, sync::LazyLock};

static BENIGN: LazyLock<Vec<Session>> = LazyLock::new(|| cut(&frames(1200, 1)));

/// One head of a user's own over packets, one over the session.
fn own(rate: f64) -> Result<Detector> {
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(16), &BENIGN[..600]);
    let builder = Detector::builder().head("packets", spec, scaler, model);
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &BENIGN[..600]);
    builder.head("flow", spec, scaler, model).weight(0.5).false_positive_rate(rate).calibrate(&BENIGN[600..])
}

fn forest(threads: usize) -> Detector {
    Detector::recipe().heads(&["forest"]).unwrap().seed(3).threads(threads).fit(&BENIGN).unwrap()
}

fn bits(verdicts: &[Verdict]) -> Vec<u64> {
    let head = |head: &HeadVerdict| [u64::from(head.score.to_bits()), head.p_value.to_bits()];
    let all = |v: &Verdict| {
        let heads = v.heads.iter().flat_map(head);
        [u64::from(v.score.to_bits()), v.p_value.to_bits(), u64::from(v.anomaly)].into_iter().chain(heads).collect()
    };
    verdicts.iter().flat_map(|v| -> Vec<u64> { all(v) }).collect()
}

#[test]
fn uploads_stand_out_and_benign_sessions_keep_the_budget() {
    let detector = forest(0);
    let mut sessions = cut(&frames_with_uploads(2100, 5, 2));
    // The first minute of a capture knows no context yet, and the calibration was on later ones.
    sessions.drain(..100);
    let verdicts = detector.judge_batch(&sessions).unwrap();
    let upload = |s: &Session| s.duration().as_secs() > 60;
    assert_eq!(sessions.iter().filter(|s| upload(s)).count(), 5);
    let flagged = |wanted: bool| {
        let pairs = sessions.iter().zip(&verdicts);
        pairs.filter(|(s, v)| upload(s) == wanted && v.is_anomaly()).count()
    };
    assert_eq!(flagged(true), 5);
    // 1 % of 2000 is 20, with a deviation of 4.5, and another 3.6 % of the cut's own luck.
    assert!(flagged(false) <= 50, "{} of 2000 benign sessions flagged", flagged(false));
    for verdict in &verdicts {
        assert_eq!(verdict.anomaly, verdict.p_value <= 0.01);
        assert_eq!(verdict.threshold, detector.threshold());
    }
}

#[test]
fn judging_can_be_stopped_between_its_parts() {
    let detector = forest(1);
    let mut sessions = BENIGN.clone();
    while sessions.len() < 2 * PART {
        sessions.extend_from_slice(&BENIGN);
    }
    let mut asked = 0;
    let error = detector.judge_all_with(&sessions, || {
        asked += 1;
        if asked == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let error = error.unwrap_err();
    assert_eq!((asked, error.kind()), (2, ErrorKind::Canceled));
    assert!(error.to_string().starts_with("judging was stopped at "), "{error}");
    let whole = detector.judge_all_with(&sessions, || ControlFlow::Continue(())).unwrap();
    assert_eq!(bits(&whole), bits(&detector.judge_all(&sessions).unwrap()));
}

#[test]
fn verdicts_are_the_same_bits_alone_batched_and_over_threads() {
    let sessions = cut(&frames_with_uploads(300, 3, 4));
    for detector in [own(0.02).unwrap(), forest(1)] {
        let alone: Vec<Verdict> = sessions.iter().map(|s| detector.judge(s).unwrap()).collect();
        for size in [1, 7, 64, 1000] {
            let batched: Vec<Verdict> =
                sessions.chunks(size).flat_map(|chunk| detector.judge_batch(chunk).unwrap()).collect();
            assert_eq!(bits(&batched), bits(&alone), "batches of {size}");
        }
        for threads in [2, 5] {
            let threaded = detector.clone().with_threads(threads).judge_batch(&sessions).unwrap();
            assert_eq!(bits(&threaded), bits(&alone), "{threads} threads");
        }
    }
    assert_eq!(forest(1).to_bytes(), forest(2).to_bytes(), "fitted by one thread or two");
}

#[test]
fn a_recipe_splits_by_time_and_says_what_it_used() {
    let mut shuffled = BENIGN.clone();
    shuffled.reverse();
    let detector =
        Detector::recipe().heads(&["forest"]).unwrap().seed(3).calibration_share(0.4).fit(&shuffled).unwrap();
    let provenance = detector.provenance();
    let training = provenance.training.unwrap();
    assert_eq!((training.sessions, provenance.calibration.sessions), (720, 480));
    assert!(training.last < provenance.calibration.first);
    assert_eq!(training.first, BENIGN.iter().map(|s| s.start()).min().unwrap());
    assert_eq!((provenance.seed, provenance.version.as_str()), (Some(3), env!("CARGO_PKG_VERSION")));
    let same = Detector::recipe().heads(&["forest"]).unwrap().seed(3);
    let same = same.fit_on(&BENIGN[..720], &BENIGN[720..], |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(same.to_bytes(), detector.to_bytes());
    assert_eq!(detector.head_names().collect::<Vec<_>>(), ["forest"]);
    assert_eq!(detector.schemas().next().unwrap().name(), "flow+context");
}

#[test]
fn a_budget_an_hour_is_a_share_of_the_sessions_of_an_hour() {
    let recipe = Detector::recipe().heads(&["forest"]).unwrap();
    // One session a second.
    let detector = recipe.clone().alerts_per_hour(72.0).fit(&BENIGN).unwrap();
    assert!((detector.false_positive_rate() - 0.02).abs() < 2e-4, "{}", detector.false_positive_rate());
    assert!((detector.report().alerts_per_hour.unwrap() - 72.0).abs() < 1e-6);
    let refuse = |alerts| recipe.clone().alerts_per_hour(alerts).fit(&BENIGN).unwrap_err().to_string();
    assert_eq!(refuse(0.0), "alerts_per_hour is 0, it must be above 0 and finite");
    assert!(refuse(2000.0).starts_with("alerts_per_hour is 2000, it must be at most 18"), "{}", refuse(2000.0));
    assert!(refuse(1.0).contains("held-out benign sessions cannot promise a false-positive rate of 0.000"));
}

#[test]
fn first_minutes_are_held_out_where_there_is_enough_else() {
    let twice = [BENIGN.clone(), cut(&frames(1200, 8))].concat();
    let cold = twice.iter().filter(|session| session.is_cold()).count() as u64;
    let detector = Detector::recipe().heads(&["forest"]).unwrap().fit(&twice).unwrap();
    assert_eq!((cold, detector.report().cold_sessions), (120, 120));
    assert_eq!(detector.provenance().training.unwrap().sessions, 2400 * 7 / 10 - cold);
    assert_eq!(Detector::recipe().heads(&["forest"]).unwrap().fit(&BENIGN).unwrap().report().cold_sessions, 0);
}

/// Two recordings of twenty minutes, a session a second each: the first minutes and the last 360 s are held out, and the time
/// that was trained on in between is none of theirs.
#[test]
fn alerts_an_hour_are_of_the_time_held_out() {
    let twice = [BENIGN.clone(), cut(&frames(1200, 8))].concat();
    let detector = Detector::recipe().heads(&["forest"]).unwrap().alerts_per_hour(72.0).fit(&twice).unwrap();
    let report = detector.report();
    assert!((report.hours - 420.0 / 3600.0).abs() < 0.001, "{}", report.hours);
    assert!((report.alerts_per_hour.unwrap() - 72.0).abs() < 1e-9);
    assert!((detector.false_positive_rate() - 0.01).abs() < 1e-4, "{}", detector.false_positive_rate());
    let share = report.realised.unwrap();
    assert!(share < 0.02, "{share}");
}

#[test]
fn columns_can_be_left_out() {
    let recipe = Detector::recipe().heads(&["forest"]).unwrap().without_columns(["duration", "service_gap"]);
    let detector = recipe.fit(&BENIGN).unwrap();
    let schema = detector.schemas().next().unwrap();
    assert_eq!(schema.width(), 97);
    assert!(schema.columns().iter().all(|column| column.name != "duration" && column.name != "service_gap"));
    let error = recipe.clone().without_columns(["gap"]).fit(&BENIGN).unwrap_err();
    assert_eq!(error.to_string(), "column left out is gap, it must be a column of flow or context (docs/features.md)");
    let rhythm = ["service_gap_variation", "service_payload_variation"];
    let error = recipe.heads(&["rhythm"]).unwrap().without_columns(rhythm).fit(&BENIGN).unwrap_err();
    assert_eq!(error.to_string(), "fitting head rhythm: number of columns is 0, it must be at least 1");
}

#[test]
fn attacks_in_the_training_are_left_out_by_the_assumed_contamination() {
    let dirty = cut(&frames_with_uploads(800, 24, 6));
    let recipe = Detector::recipe().heads(&["forest"]).unwrap().seed(3);
    let wary = recipe.clone().contamination(0.03);
    let all: Vec<&Session> = dirty.iter().collect();
    let usual = wary.clean(&all, &mut |_| ControlFlow::Continue(())).unwrap();
    let uploads = |sessions: &[&Session]| sessions.iter().filter(|s| s.stats().resp.payload_bytes == 0).count();
    assert_eq!((all.len(), uploads(&all)), (824, 24));
    assert_eq!((usual.len(), uploads(&usual)), (824 - 30, 0), "1.2 times the assumed share, the attacks among them");
    let fit = |recipe: &Recipe| recipe.fit_on(&dirty, &BENIGN[..400], |_| ControlFlow::Continue(())).unwrap();
    let (trusting, wary) = (fit(&recipe), fit(&wary));
    assert_eq!((trusting.provenance().left_out, wary.provenance().left_out), (0, 30));
    assert_eq!(wary.provenance().training.unwrap().sessions, 824 - 30);
    for share in [-0.1, 0.3, f64::NAN] {
        let error = recipe.clone().contamination(share).fit(&BENIGN).unwrap_err();
        assert_eq!(error.to_string(), format!("contamination is {share}, it must be 0 to 0.25"));
    }
}

#[test]
fn progress_names_the_head_and_can_stop_the_fit() {
    let recipe = Detector::recipe().heads(&["forest"]).unwrap();
    let mut seen = Vec::new();
    let watch = |p: &Progress| {
        seen.push((p.head.clone(), p.done));
        ControlFlow::Continue(())
    };
    recipe.fit_with(&BENIGN, watch).unwrap();
    assert!(seen.iter().all(|(head, _)| head == "forest") && seen.is_sorted_by(|(_, a), (_, b)| a < b), "{seen:?}");
    assert_eq!((seen[0].1, seen[seen.len() - 1].1), (0.0, 1.0));
    let error = recipe.fit_with(&BENIGN, |_| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert_eq!(error.to_string(), "fitting head forest: fitting isolation_forest was stopped at 0 %");
}

#[test]
fn recipes_refuse_what_they_cannot_make() {
    let refuse = |result: Result<Detector>| {
        let error = result.unwrap_err();
        (error.kind(), error.to_string())
    };
    let recipe = || Detector::recipe().heads(&["forest"]).unwrap();
    assert_eq!(
        refuse(recipe().fit(&BENIGN[..100])),
        (ErrorKind::Data, "70 benign sessions to fit on, at least 100 are needed: 30 more".to_owned())
    );
    assert_eq!(
        refuse(recipe().false_positive_rate(0.001).fit(&BENIGN)),
        (
            ErrorKind::Data,
            "360 held-out benign sessions cannot promise a false-positive rate of 0.001: 140 more are needed \
             (0.04 h at 3610 an hour), 500 in all"
                .to_owned()
        )
    );
    assert_eq!(
        refuse(recipe().false_positive_rate(0.6).fit(&BENIGN)),
        (ErrorKind::Config, "false_positive_rate is 0.6, it must be above 0 and at most 0.5".to_owned())
    );
    assert_eq!(
        refuse(recipe().calibration_share(1.0).fit(&BENIGN)),
        (ErrorKind::Config, "calibration_share is 1, it must be above 0 and below 1".to_owned())
    );
    assert_eq!(
        refuse(recipe().session_config(&SessionConfig::default().context(false)).fit(&BENIGN)),
        (ErrorKind::Config, "context is false, it must be true, head forest reads it".to_owned())
    );
    let unknown = Detector::recipe().heads(&["forest", "tree"]).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Config);
    let known = Recipe::available_heads().collect::<Vec<_>>().join(", ");
    assert_eq!(unknown.to_string(), format!("head is tree, it must be one of {known}"));
    let none = Detector::recipe().heads::<&str>(&[]).unwrap_err();
    assert_eq!(none.to_string(), "number of heads is 0, it must be at least 1");
}

#[cfg(not(feature = "neural"))]
#[test]
fn heads_of_absent_features_say_which_feature_brings_them() {
    let error = Detector::recipe().heads(&["session"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "head session needs nf-core built with its cargo feature neural");
}

/// A model whose scores are wrong in one way or another.
#[derive(Debug)]
struct Broken(Schema, &'static [f32]);

impl Model for Broken {
    fn kind(&self) -> &'static str {
        "broken"
    }

    fn schema(&self) -> &Schema {
        &self.0
    }

    fn score(&self, _: &Rows) -> Result<Vec<f32>> {
        Ok(self.1.to_vec())
    }

    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn builders_refuse_parts_that_do_not_fit() {
    let flow = || Distance::head(FeatureSpec::flow(), &BENIGN[..100]);
    let refuse = |builder: Builder| {
        let error = builder.threads(1).calibrate(&BENIGN[600..]).unwrap_err();
        (error.kind(), error.to_string())
    };
    assert_eq!(
        refuse(Detector::builder()),
        (ErrorKind::Config, "number of heads is 0, it must be at least 1".to_owned())
    );
    let add = |builder: Builder, name| {
        let (spec, scaler, model) = flow();
        builder.head(name, spec, scaler, model)
    };
    assert_eq!(
        refuse(add(add(Detector::builder(), "a"), "a")),
        (ErrorKind::Config, "two heads are named a, names must be unique".to_owned())
    );
    assert_eq!(refuse(add(Detector::builder(), "")).1, "name of a head is empty, it must be at least one letter");
    assert_eq!(
        refuse(add(Detector::builder(), "a").weight(-1.0)).1,
        "weight of head a is -1, it must be above 0 and finite"
    );
    let (spec, scaler, model) = flow();
    let (kind, message) = refuse(Detector::builder().head("a", FeatureSpec::packets(8), scaler.clone(), model));
    assert_eq!(kind, ErrorKind::Schema);
    assert!(message.starts_with("scaler of head a: the model wants schema flow"), "{message}");
    let other = Distance(FeatureSpec::context().schema().as_ref().clone());
    let (kind, message) = refuse(Detector::builder().head("a", spec.clone(), scaler.clone(), other));
    assert_eq!(kind, ErrorKind::Schema);
    assert!(message.starts_with("model of head a: the model wants schema context"), "{message}");
    let broken = |scores| Broken(scaler.schema().clone(), scores);
    let build = |scores| refuse(Detector::builder().head("a", spec.clone(), scaler.clone(), broken(scores)));
    assert_eq!(build(&[1.0]), (ErrorKind::Data, "head a: model broken gave 1 scores for 600 rows".to_owned()));
    static NAN: [f32; 600] = [f32::NAN; 600];
    assert_eq!(build(&NAN).1, "head a: model broken gave row 0 the score NaN, scores must be finite");
}

#[test]
fn another_budget_moves_the_cut_alone() {
    let detector = own(0.05).unwrap();
    let rarer = detector.with_false_positive_rate(0.01).unwrap();
    assert!(rarer.threshold() > detector.threshold());
    assert_eq!((detector.false_positive_rate(), rarer.false_positive_rate()), (0.05, 0.01));
    for session in &BENIGN[..50] {
        let (a, b) = (detector.judge(session).unwrap(), rarer.judge(session).unwrap());
        assert_eq!((a.score, a.p_value, a.heads), (b.score, b.p_value, b.heads));
    }
    assert_eq!(detector.with_false_positive_rate(0.0005).unwrap_err().kind(), ErrorKind::Data);
    for rate in [0.0, 1.0, -0.01, f64::NAN] {
        let refused = [
            detector.with_false_positive_rate(rate).unwrap_err(),
            Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(rate).fit(&BENIGN).unwrap_err(),
            detector.recalibration().false_positive_rate(rate).run(&BENIGN).unwrap_err(),
        ];
        for error in refused {
            let message = format!("false_positive_rate is {rate}, it must be above 0 and at most 0.5");
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Config, message));
        }
    }
}

#[test]
fn weights_count_in_the_combined_score() {
    let detector = own(0.05).unwrap();
    let verdict = detector.judge(&BENIGN[700]).unwrap();
    let surprises: Vec<f64> =
        detector.head_calibrations().zip(&verdict.heads).map(|(c, head)| c.surprise(head.score)).collect();
    assert_eq!(verdict.score, (surprises[0] + 0.5 * surprises[1]) as f32);
    assert_eq!(verdict.p_value, detector.calibration().p_value(verdict.score));
}

#[test]
fn a_session_without_context_is_refused() {
    let config = SessionConfig::default().context(false);
    let mut table = crate::session::SessionTable::new(config).unwrap();
    frames(1, 1).iter().for_each(|f| table.push(&testing::frame(f)));
    table.finish();
    let error = forest(1).judge(&table.pop().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().starts_with("head forest: session tcp 10.0.0.1:20000 > 10.0.1.1:80 has no context"));
}

#[test]
fn sessions_that_mean_something_else_are_refused() {
    let detector = own(0.05).unwrap();
    let refuse = |config: SessionConfig| {
        let error = detector.check_sessions(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let config = SessionConfig::default;
    assert_eq!(
        refuse(config().max_packets(8)),
        "max_packets is 8, it must be at least 16, so many packets head packets reads"
    );
    assert_eq!(refuse(config().entropy_bytes(64)), "entropy_bytes is 64, it must be 256 as in the detector's training");
    assert_eq!(
        refuse(config().key(crate::session::KeyKind::HostPair)),
        "key is host_pair, it must be five_tuple as in the detector's training"
    );
    assert_eq!(refuse(config().max_packets(16).tunnels(0)), "tunnels is 0, it must be 4 as in the detector's training");
    assert_eq!(
        refuse(config().max_packets(16).vlan_in_key(true)),
        "vlan_in_key is true, it must be false as in the detector's training"
    );
    assert_eq!(
        refuse(config().max_packets(16).looks(Looks::none())),
        "looks is none, it must be at 8, 32, 128, 512, 2048 packets, in silence, every 60 s as in the detector's training"
    );
    assert_eq!(refuse(config().max_packets(0)), "max_packets is 0, it must be 1 to 65536");
    detector.check_sessions(&config().context(false).max_packets(16).idle_tcp(None)).unwrap();
}

#[test]
fn scalers_of_other_rows_are_refused_before_they_are_used() {
    let scaler = Scaler::identity(&FeatureSpec::packets(4).schema());
    let model = Distance(FeatureSpec::packets(4).schema().as_ref().clone());
    let detector = Detector::builder().head("p", FeatureSpec::packets(4), scaler, model).calibrate(&BENIGN).unwrap();
    assert!(detector.judge(&BENIGN[0]).unwrap().p_value > 0.0);
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&detector);
}

#[cfg(feature = "neural")]
#[test]
fn networks_give_the_same_bits_alone_batched_over_threads_and_from_a_file() {
    let recipe = Detector::recipe().heads(&["packets", "session"]).unwrap().false_positive_rate(0.05);
    let mut heads = Vec::new();
    let watch = |p: &Progress| {
        heads.push(p.head.clone());
        ControlFlow::Continue(())
    };
    let benign = cut(&frames(300, 1));
    let detector = recipe.seed(5).fit_with(&benign, watch).unwrap();
    heads.dedup();
    assert_eq!(heads, ["session", "packets"]);
    let sessions = cut(&frames_with_uploads(100, 2, 4));
    let alone: Vec<Verdict> = sessions.iter().map(|s| detector.judge(s).unwrap()).collect();
    for size in [1, 7, 64] {
        let batched = sessions.chunks(size).flat_map(|chunk| detector.judge_batch(chunk).unwrap());
        assert_eq!(bits(&batched.collect::<Vec<_>>()), bits(&alone), "batches of {size}");
    }
    let loaded = Detector::from_bytes(&detector.to_bytes()).unwrap().with_threads(2);
    assert_eq!(bits(&loaded.judge_batch(&sessions).unwrap()), bits(&alone));
    let upload = sessions.iter().find(|s| s.duration().as_secs() > 60).unwrap();
    let explanation = detector.explain(upload).unwrap();
    assert!(explanation.verdict.is_anomaly());
    // What is strange about a sequence of packets is not always in a few of its values: the explanation says whether it is.
    assert_eq!(explanation.turned_normal, !explanation.after.is_anomaly(), "{explanation}");
    assert!(explanation.after.score < explanation.verdict.score, "{explanation}");
    // Whether a packet's values are among the fewest facts depends on what the other head finds; that packets have their parts does not.
    assert!(explanation.packets.iter().any(|part| *part > 0.0), "{explanation}");
    assert!(explanation.packets.iter().sum::<f64>() <= 1.0 + 1e-9, "{explanation}");
}

#[cfg(feature = "neural")]
#[test]
fn values_of_packets_are_named_where_a_head_reads_nothing_else() {
    let recipe = Detector::recipe().heads(&["packets"]).unwrap().false_positive_rate(0.05);
    let detector = recipe.seed(5).fit(&cut(&frames(300, 1))).unwrap();
    let sessions = cut(&frames_with_uploads(100, 2, 4));
    let verdicts = detector.judge_batch(&sessions).unwrap();
    let alerts: Vec<_> = sessions.iter().zip(&verdicts).filter(|(_, v)| v.is_anomaly()).collect();
    assert!(!alerts.is_empty());
    for (session, _) in alerts {
        let explanation = detector.explain(session).unwrap();
        assert!(!explanation.facts.is_empty(), "{explanation}");
        for fact in &explanation.facts {
            assert!(fact.packet.is_some_and(|packet| explanation.packets[packet] > 0.0), "{explanation}");
        }
    }
}

#[test]
fn rarity_knows_services_and_pairs_from_training_alone_and_from_a_file() {
    let recipe = Detector::recipe().heads(&["rarity"]).unwrap().false_positive_rate(0.05);
    let detector = recipe.fit(&BENIGN).unwrap();
    let score = |detector: &Detector, session: &Session| detector.judge(session).unwrap().heads[0].score;
    let usual = &BENIGN[0];
    let (mut elsewhere, mut new_pair) = (usual.clone(), usual.clone());
    elsewhere.key.resp.port = 4444;
    (new_pair.key.orig.addr, new_pair.key.orig.port) = ([10, 9, 9, 9].into(), 1);
    assert!(score(&detector, usual) < score(&detector, &new_pair));
    assert!(score(&detector, &new_pair) < score(&detector, &elsewhere));
    assert!(detector.judge(&elsewhere).unwrap().is_anomaly() && !detector.judge(usual).unwrap().is_anomaly());
    let loaded = Detector::from_bytes(&detector.to_bytes()).unwrap();
    for session in [usual, &new_pair, &elsewhere] {
        assert_eq!(score(&loaded, session).to_bits(), score(&detector, session).to_bits());
    }
    assert!(detector.explain(&elsewhere).unwrap().verdict.is_anomaly());
}

#[test]
fn a_device_that_is_not_there_is_refused_before_anything_is_fitted() {
    let absent = Device::Cuda(999);
    let refused = absent.check().unwrap_err().to_string();
    let errors = [
        Detector::recipe().heads(&["forest"]).unwrap().device(absent).fit(&BENIGN).unwrap_err(),
        own(0.05).unwrap().with_device(absent).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unsupported, refused.clone()));
    }
}

#[test]
fn heads_that_know_of_no_device_stay_as_they_are() {
    for detector in [own(0.05).unwrap(), forest(1)] {
        let moved = detector.with_device(Device::Cpu).unwrap();
        assert_eq!(bits(&moved.judge_batch(&BENIGN).unwrap()), bits(&detector.judge_batch(&BENIGN).unwrap()));
    }
}

#[cfg(feature = "backend-ndarray")]
#[test]
fn networks_are_fitted_and_judge_on_another_device() {
    let benign = cut(&frames(300, 1));
    let recipe = Detector::recipe().heads(&["session"]).unwrap().false_positive_rate(0.05);
    let detector = recipe.device(Device::Ndarray).fit(&benign).unwrap();
    let verdicts = detector.judge_batch(&benign).unwrap();
    let loaded = Detector::from_bytes(&detector.to_bytes()).unwrap();
    let same = |other: &Detector| bits(&other.judge_batch(&benign).unwrap()) == bits(&verdicts);
    assert!(!same(&loaded), "a loaded detector judges on the CPU");
    assert!(same(&loaded.with_device(Device::Ndarray).unwrap()));
    for (here, there) in loaded.judge_batch(&benign).unwrap().iter().zip(&verdicts) {
        let scores = |verdict: &Verdict| verdict.heads.iter().map(|head| head.score).collect::<Vec<_>>();
        assert!(scores(here).iter().zip(scores(there)).all(|(a, b)| (a - b).abs() < 1e-4), "{here:?} {there:?}");
    }
}
