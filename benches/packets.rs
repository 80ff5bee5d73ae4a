//! Packets a second: a capture in memory to frames, to packets, to sessions, to rows of every spec.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nf_benches::benign_capture;
use nf_core::{Capture, FeatureSpec, SessionConfig, decode::Decoder, session::Looks};
use std::{hint::black_box, io::Cursor};

fn packets(criterion: &mut Criterion) {
    let (name, bytes) = benign_capture().expect("the capture can be read");
    let open = || Capture::from_reader(Cursor::new(bytes.clone())).expect("a capture");
    let mut count = open();
    while count.next_frame().expect("a whole capture").is_some() {}
    let frames = count.frames();

    let mut group = criterion.benchmark_group("packets");
    group.throughput(Throughput::Elements(frames)).sample_size(10);
    group.bench_function(format!("frames/{name}/{frames}"), |bencher| {
        bencher.iter(|| {
            let mut capture = open();
            let mut length = 0;
            while let Some(frame) = capture.next_frame().expect("a whole capture") {
                length += frame.data.len();
            }
            length
        });
    });
    group.bench_function(format!("packets/{name}/{frames}"), |bencher| {
        bencher.iter(|| {
            let (mut capture, mut decoder) = (open(), Decoder::new());
            let mut length = 0;
            while let Some(frame) = capture.next_frame().expect("a whole capture") {
                length += decoder.decode(&frame).map_or(0, |packet| u64::from(packet.payload_len));
            }
            length
        });
    });
    for (what, context, threads) in [
        ("sessions", true, 1),
        ("sessions without context", false, 1),
        ("sessions without context, 2 threads", false, 2),
    ] {
        let config = SessionConfig::default().context(context).looks(Looks::none());
        group.bench_function(format!("{what}/{name}/{frames}"), |bencher| {
            bencher.iter(|| {
                let reader = open().sessions(&config).expect("valid").threads(threads);
                reader.collect().expect("a whole capture").len()
            });
        });
    }
    let flat = FeatureSpec::flow().and(FeatureSpec::context()).expect("two flat specs");
    for (what, spec) in [("rows of 64 packets", FeatureSpec::packets(64)), ("rows of flow and context", flat)] {
        let config = SessionConfig::default().context(spec.needs_context()).looks(Looks::none());
        group.bench_function(format!("{what}/{name}/{frames}"), |bencher| {
            bencher.iter(|| {
                let sessions = open().sessions(&config).expect("valid").collect().expect("a whole capture");
                black_box(spec.extract(&sessions).expect("context where it is needed"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
