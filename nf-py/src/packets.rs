//! The packets of captures as a table.

use crate::{
    number::Whole,
    source::{Source, damaged},
    table::Table,
    watch::Signals,
};
use nf_core::{
    decode::{Decoder, SkipCounts},
    table::PacketTable,
};
use pyo3::prelude::*;

/// Reads the packets of a capture; see ``neural_filter.read_packets``.
#[pyfunction]
#[pyo3(signature = (source, tunnels=Decoder::DEFAULT_TUNNELS.into()))]
pub(crate) fn read_packets(py: Python<'_>, source: Source, tunnels: Whole) -> PyResult<Table> {
    let tunnels = tunnels.within("tunnels", 0..=u8::MAX.into())?;
    let (packets, damage) = py.detach(|| {
        let mut decoder = Decoder::new().with_tunnels(tunnels);
        let (mut packets, mut skipped) = (PacketTable::default(), SkipCounts::new());
        let damage = read(source, &mut decoder, &mut packets, &mut skipped).err();
        let skipped = skipped.iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        Ok::<_, PyErr>((Table::new(packets.finish(), skipped)?, damage))
    })?;
    match damage {
        None => Ok(packets),
        Some(damage) => {
            damage.value(py).setattr("packets", packets)?;
            Err(damage)
        }
    }
}

fn read(source: Source, decoder: &mut Decoder, packets: &mut PacketTable, skipped: &mut SkipCounts) -> PyResult<()> {
    let mut capture = source.open()?;
    let mut signals = Signals::new();
    let damaged = damaged(&capture);
    let mut number = 0;
    loop {
        let frame = match capture.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(error) => return Err(damaged(error)),
        };
        number += 1;
        match decoder.decode(&frame) {
            Ok(packet) => packets.push(&packet, number),
            Err(skip) => skipped.add(skip),
        }
        signals.check()?;
    }
}
