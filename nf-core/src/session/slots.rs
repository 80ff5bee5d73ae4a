//! Values in numbered slots that are used again.

use std::ops::{Index, IndexMut};

/// Values in slots. The slot freed last is taken first: it is the one in the cache.
#[derive(Debug)]
pub(super) struct Slots<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Bytes of a slot.
    pub(super) const BYTES: usize = size_of::<T>() + size_of::<u32>();

    /// How many slots are in use.
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// How many slots were ever in use.
    pub(super) fn ever(&self) -> usize {
        self.values.len()
    }

    /// A slot that was freed, with the value it held, or a new one with what `new` gives.
    pub(super) fn take(&mut self, new: impl FnOnce() -> T) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.values.push(new());
            (self.values.len() - 1) as u32
        })
    }

    /// Puts a value into a slot.
    pub(super) fn put(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self[slot] = value;
                slot
            }
            None => {
                self.values.push(value);
                (self.values.len() - 1) as u32
            }
        }
    }

    /// Frees a slot; its value stays for whoever takes it next.
    pub(super) fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// The value of a slot that was ever in use.
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.values.get(slot as usize)
    }

    /// Has a slot read into the cache that will be used soon; `None` is none.
    pub(super) fn fetch(&self, slot: Option<u32>) {
        if let Some(value) = slot.and_then(|slot| self.get(slot)) {
            fetch(value);
        }
    }
}

/// Has a value read into the cache that will be used soon. In a flood each session and its counters are long out of the
/// cache when they make room; asked for one step ahead, the reads run beside the work on the one before, which halves the
/// time of a flood.
pub(super) fn fetch<T>(value: &T) {
    #[cfg(test)]
    if WITHOUT_FETCH.get() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let start: *const i8 = std::ptr::from_ref(value).cast();
        for line in 0..size_of::<T>().div_ceil(LINE) {
            #[expect(unsafe_code, reason = "there is no safe way to ask the cache")]
            // SAFETY: prefetching reads nothing as far as the program can tell, and no address makes it fault.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
thread_local! {
    /// Nothing is fetched ahead on this thread, as on processors that this does not know how to ask.
    pub(super) static WITHOUT_FETCH: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl<T> Index<u32> for Slots<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        &self.values[slot as usize]
    }
}

impl<T> IndexMut<u32> for Slots<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.values[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_the_slot_freed_last() {
        let mut slots = Slots::default();
        let [a, b, c] = [1, 2, 3].map(|value| slots.take(|| value));
        slots.free(a);
        slots.free(c);
        slots.fetch(Some(b));
        slots.fetch(Some(99));
        assert_eq!((slots.len(), slots.ever()), (1, 3));
        assert_eq!([(); 3].map(|()| slots.take(|| 4)), [c, a, 3]);
        assert_eq!((slots[c], slots[b], slots[3], slots.get(4)), (3, 2, 4, None));
    }
}
