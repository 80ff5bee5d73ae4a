//! What stands behind an opaque pointer, and the ways to it.
//!
//! A handle knows whether a call is changing it, so that neither a callback nor another thread can change it meanwhile, and
//! whether a panic left it half changed. To keep readers and those who change it apart is the caller's, as the header says by
//! `const`: readers are not counted.

use crate::{
    boundary::{Failure, Outcome},
    status::nf_status,
};
use std::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    sync::atomic::{
        AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
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
        // SAFETY: C gives null or a handle that was not freed, and reads it from no other thread meanwhile.
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
        self.held.fetch_add(1, Relaxed);
        Hold(&self.held)
    }

    fn check(&self, name: &str) -> Outcome<()> {
        match self.state.load(Acquire) {
            FREE => Ok(()),
            state => Err(refused(state, name)),
        }
    }

    /// Takes it for one call.
    fn take(&self, name: &str) -> Outcome<()> {
        self.state.compare_exchange(FREE, BUSY, Acquire, Acquire).map(drop).map_err(|state| refused(state, name))
    }
}

fn refused(state: u8, name: &str) -> Failure {
    let (status, why) = match state {
        BUSY => (nf_status::NF_ERR_BUSY, "is in use by another call or thread"),
        _ => (nf_status::NF_ERR_PANIC, "was broken by a panic, it can only be freed"),
    };
    Failure { status, message: format!("{name} {why}") }
}

/// See [`Handle::hold`].
pub(crate) struct Hold<'a>(&'a AtomicU8);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
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
        self.state.store(if thread::panicking() { BROKEN } else { FREE }, Release);
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
/// Null or a handle that was not freed, which no other thread reads or frees meanwhile.
pub(crate) unsafe fn exclusive<'a, T: Opaque + 'a>(pointer: *mut T, name: &str) -> Outcome<Exclusive<'a, T::Value>> {
    // SAFETY: as promised.
    let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(name, T::NAME))?.handle();
    handle.take(name)?;
    // SAFETY: nothing else changes it, and until `Exclusive` is dropped nothing else gets it.
    Ok(Exclusive { state: &handle.state, value: unsafe { &mut *handle.value.get() } })
}

/// # Safety
/// Null or a handle that was not freed, which nothing uses any more.
pub(crate) unsafe fn free<T: Opaque>(pointer: *mut T) {
    // SAFETY: as promised.
    let Some(handle) = (unsafe { pointer.as_ref() }) else { return };
    let handle = handle.handle();
    if handle.state.load(Acquire) == BUSY || handle.held.load(Relaxed) > 0 {
        // Freed from within a callback it would be gone under the call that runs it.
        let message = format!("{} is in use by another call or thread, it was not freed", T::NAME);
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
    fn two_threads_never_change_it_at_once() {
        let handle: *mut number = give(0);
        let address = handle as usize;
        let work = || {
            let mut done = 0;
            for _ in 0..20_000 {
                let handle = address as *mut number;
                match exclusive!(handle) {
                    Ok(mut value) => {
                        let before = *value;
                        *std::hint::black_box(&mut *value) = before + 1;
                        done += 1;
                    }
                    Err(failure) => {
                        assert_eq!(failure.status, nf_status::NF_ERR_BUSY);
                        assert_eq!(failure.message, "handle is in use by another call or thread");
                    }
                }
            }
            done
        };
        let done: i32 = thread::scope(|scope| {
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(*exclusive!(handle).unwrap(), done);
        free!(handle);
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
