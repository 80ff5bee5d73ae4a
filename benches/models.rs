//! Sessions a second through the models: fitting and scoring.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nf_benches::benign_capture;
use nf_core::{
    Capture, FeatureSpec, SessionConfig,
    features::Scaler,
    model::{IsolationForest, Model, Transformer},
};
use std::{hint::black_box, io::Cursor};

fn models(criterion: &mut Criterion) {
    let (name, bytes) = benign_capture().expect("the capture can be read");
    let capture = Capture::from_reader(Cursor::new(bytes)).expect("a capture");
    let sessions = capture.sessions(&SessionConfig::default()).expect("valid").collect().expect("a whole capture");
    let flat = FeatureSpec::flow().and(FeatureSpec::context()).expect("two flat specs");
    let rows = flat.extract(&sessions).expect("sessions with context");
    let rows = Scaler::fit(&rows).and_then(|scaler| scaler.apply(rows)).expect("rows to scale");
    let (count, width) = (rows.len(), rows.width());

    let mut group = criterion.benchmark_group("forest");
    group.throughput(Throughput::Elements(count as u64)).sample_size(10);
    for threads in [1, 2] {
        let params = IsolationForest::params().trees(200).samples(2048).seed(7).threads(threads);
        group.bench_function(format!("fit/{name}/{count}x{width}/{threads} threads"), |bencher| {
            bencher.iter(|| params.fit(black_box(&rows)).expect("rows to fit"));
        });
    }
    let forest = IsolationForest::params().trees(200).samples(2048).seed(7).fit(&rows).expect("rows to fit");
    group.bench_function(format!("score/{name}/{count}x{width}"), |bencher| {
        bencher.iter(|| forest.score(black_box(&rows)).expect("rows that fit"));
    });
    group.finish();

    // What training costs a session and what its result is does not matter here: one epoch over few of them will do.
    let packets = FeatureSpec::packets(64).extract(&sessions[..2048.min(sessions.len())]).expect("sessions");
    let count = packets.len();
    let mut group = criterion.benchmark_group("transformer");
    group.throughput(Throughput::Elements(count as u64)).sample_size(10);
    let params = Transformer::params().seed(7).epochs(1);
    group.bench_function(format!("fit one epoch/{name}/{count}x64x8"), |bencher| {
        bencher.iter(|| params.fit(black_box(&packets)).expect("rows to fit"));
    });
    let transformer = params.fit(&packets).expect("rows to fit");
    group.bench_function(format!("score/{name}/{count}x64x8"), |bencher| {
        bencher.iter(|| transformer.score(black_box(&packets)).expect("rows that fit"));
    });
    group.finish();
}

criterion_group!(benches, models);
criterion_main!(benches);
