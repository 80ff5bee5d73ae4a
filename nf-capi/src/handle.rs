//! What stands behind an opaque pointer, and the ways to it.
//!
//! A handle knows whether a call is at work on it, so that a callback cannot reach into what is being changed, and whether a
//! panic left it half changed. Two threads at once are the caller's to keep apart, as the header says by `const`.

use crate::{
    boundary::{Failure, Outcome},
    status::nf_status,
};
use std::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    thread,
};

const FREE: u8 = 0;
const BUSY: u8 = 1;
const BROKEN: u8 = 2;

/// A value with its state.
#[derive(Debug)]
pub(crate) struct Handle<T> {
    state: AtomicU8,
    /// A call that runs callbacks between its pieces of work is on its way: it must not be freed.
    held: AtomicU8,
    value: UnsafeCell<T>,
}

/// The type behind an opaque pointer.
pub(crate) trait Opaque: Sized {
    type Value;
    /// Its name in messages.
    const NAME: &'static str;
    fn new(value: Self::Value) -> Self;
    fn handle(&self) -> &Handle<Self::Value>;
}

/// Makes a tuple struct of one [`Handle`] opaque.
macro_rules! opaque {
    ($type:ident, $value:ty, $name:literal) => {
        impl $crate::handle::Opaque for $type {
            type Value = $value;
            const NAME: &'static str = $name;
            fn new(value: $value) -> Self {
                Self($crate::handle::Handle::new(value))
            }
            fn handle(&self) -> &$crate::handle::Handle<$value> {
                &self.0
            }
        }
        const _: fn() = || {
            fn may_go_to_other_threads<T: Send>() {}
            may_go_to_other_threads::<$value>();
        };
    };
}

/// The value behind a `const T *` parameter, which other threads may read too.
macro_rules! shared {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a handle that was not freed, and reads it only while nothing changes it.
        unsafe { $crate::handle::shared($pointer, stringify!($pointer)) }
    }};
}

/// The value behind a `T *` parameter, which this call alone uses.
macro_rules! exclusive {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a handle that was not freed, and uses it from one thread at a time.
        unsafe { $crate::handle::exclusive($pointer, stringify!($pointer)) }
    }};
}

/// Frees a handle; null is fine.
macro_rules! free {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a handle that was not freed, and does not use it again.
        unsafe { $crate::handle::free($pointer) }
    }};
}

impl<T> Handle<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { state: AtomicU8::new(FREE), held: AtomicU8::new(0), value: UnsafeCell::new(value) }
    }

    /// Keeps it from being freed while callbacks run.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.held.store(self.held.load(Relaxed).saturating_add(1), Relaxed);
        Hold(&self.held)
    }

    fn check(&self, name: &str) -> Outcome<()> {
        let (status, why) = match self.state.load(Relaxed) {
            FREE => return Ok(()),
            BUSY => (nf_status::NF_ERR_BUSY, "is at work in the call that runs this callback"),
            _ => (nf_status::NF_ERR_PANIC, "was broken by a panic, it can only be freed"),
        };
        Err(Failure { status, message: format!("{name} {why}") })
    }
}

/// See [`Handle::hold`].
pub(crate) struct Hold<'a>(&'a AtomicU8);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.store(self.0.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

/// Exclusive use, until it is dropped; a panic meanwhile breaks the handle.
#[derive(Debug)]
pub(crate) struct Exclusive<'a, T> {
    state: &'a AtomicU8,
    value: &'a mut T,
}

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Exclusive<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

impl<T> Drop for Exclusive<'_, T> {
    fn drop(&mut self) {
        self.state.store(if thread::panicking() { BROKEN } else { FREE }, Relaxed);
    }
}

fn null(name: &str, of: &str) -> Failure {
    Failure::argument(format!("{name} is null, it must be a {of}"))
}

/// # Safety
/// Null or a handle that was not freed, which nothing changes meanwhile.
pub(crate) unsafe fn shared<'a, T: Opaque<Value: Sync> + 'a>(pointer: *const T, name: &str) -> Outcome<&'a T::Value> {
    // SAFETY: as promised.
    let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(name, T::NAME))?.handle();
    handle.check(name)?;
    // SAFETY: it is not in exclusive use.
    Ok(unsafe { &*handle.value.get() })
}

/// # Safety
/// Null or a handle that was not freed, which no other thread uses meanwhile.
pub(crate) unsafe fn exclusive<'a, T: Opaque + 'a>(pointer: *mut T, name: &str) -> Outcome<Exclusive<'a, T::Value>> {
    // SAFETY: as promised.
    let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(name, T::NAME))?.handle();
    handle.check(name)?;
    handle.state.store(BUSY, Relaxed);
    // SAFETY: nothing else has it, and until `Exclusive` is dropped nothing else gets it.
    Ok(Exclusive { state: &handle.state, value: unsafe { &mut *handle.value.get() } })
}

/// # Safety
/// Null or a handle that was not freed, which nothing uses any more.
pub(crate) unsafe fn free<T: Opaque>(pointer: *mut T) {
    // SAFETY: as promised.
    let Some(handle) = (unsafe { pointer.as_ref() }) else { return };
    let handle = handle.handle();
    if handle.state.load(Relaxed) == BUSY || handle.held.load(Relaxed) > 0 {
        // Freed from within a callback it would be gone under the call that runs it.
        let message = format!("{} is at work in the call that runs this callback, it was not freed", T::NAME);
        crate::boundary::set_last_error(&message);
        return;
    }
    // SAFETY: it came from `give`, and is not used any more.
    drop(unsafe { Box::from_raw(pointer) });
}

/// A new handle, owned by C from now on.
pub(crate) fn give<T: Opaque>(value: T::Value) -> *mut T {
    Box::into_raw(Box::new(T::new(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    struct number(Handle<i32>);
    opaque!(number, i32, "number");

    fn add(thing: *mut number, more: i32) -> nf_status {
        boundary!({
            let mut value = exclusive!(thing)?;
            *value += more;
            assert!(*value < 10, "too much");
            Ok(nf_status::NF_OK)
        })
    }

    fn look(thing: *const number) -> nf_status {
        boundary!({ shared!(thing).map(|_| nf_status::NF_OK) })
    }

    #[test]
    fn what_a_panic_broke_can_only_be_freed() {
        let handle: *mut number = give(1);
        assert_eq!(add(handle, 2), nf_status::NF_OK);
        assert_eq!(add(handle, 20), nf_status::NF_ERR_PANIC);
        assert_eq!((add(handle, 1), look(handle)), (nf_status::NF_ERR_PANIC, nf_status::NF_ERR_PANIC));
        free!(handle);
        assert_eq!(
            (add(ptr::null_mut(), 1), look(ptr::null())),
            (nf_status::NF_ERR_ARGUMENT, nf_status::NF_ERR_ARGUMENT)
        );
    }

    #[test]
    fn what_is_at_work_is_neither_used_nor_freed() {
        let handle: *mut number = give(1);
        let value = exclusive!(handle).unwrap();
        assert_eq!((add(handle, 1), look(handle)), (nf_status::NF_ERR_BUSY, nf_status::NF_ERR_BUSY));
        free!(handle);
        assert_eq!(*value, 1);
        drop(value);
        // SAFETY: it is still there.
        let hold = unsafe { &*handle }.handle().hold();
        free!(handle);
        assert_eq!(add(handle, 1), nf_status::NF_OK);
        drop(hold);
        free!(handle);
    }
}
