//! Calls of modules: on their way out, in flight, answered, given up. Does not know how a module is called.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{AbortHandle, AbortRegistration};

use super::super::fault::Fault;
use super::super::frame::Slot;
use super::super::program::CallInstr;
use super::super::value::Value;
use super::super::{Failure, Invocation, RunFailure};
use super::Machine;
use crate::plan::SiteId;

/// A call that begins.
#[derive(Debug)]
pub(in super::super) struct Start<'p> {
    /// Names the call towards the machine.
    pub(in super::super) call: u32,
    pub(in super::super) invocation: Invocation<'p>,
    /// Set where the call may be given up while the run goes on.
    pub(in super::super) abort: Option<AbortRegistration>,
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct Live {
    frame: u32,
    node: u32,
    site: SiteId,
    module: usize,
    abort: Option<AbortHandle>,
    cancelled: bool,
}

impl<'p> Machine<'p> {
    pub(super) fn begin_call(&mut self, frame: u32, node: u32, instr: &'p CallInstr) -> Result<(), Fault> {
        let input = self.value(frame, instr.input)?.to_bytes();
        let (abort, registration) = match self.code(frame).cancellable {
            true => {
                let (handle, registration) = AbortHandle::new_pair();
                (Some(handle), Some(registration))
            }
            false => (None, None),
        };
        let live = Live { frame, node, site: instr.site, module: instr.module, abort, cancelled: false };
        let call = self.calls.insert(live);
        self.frames[frame as usize].cells[node as usize].slot = Slot::Call(call);
        let invocation = Invocation {
            site: instr.site,
            number: self.numbers,
            module: &self.program.plan().modules[instr.module],
            policy: &instr.policy,
            input,
            among_many: self.frames[frame as usize].many,
        };
        self.numbers += 1;
        self.starts.push(Start { call, invocation, abort: registration });
        Ok(())
    }

    /// Takes what a call came to; `None` when it was given up.
    pub(in super::super) fn answer(&mut self, call: u32, answer: Option<Result<Bytes, Fault>>) {
        let Some(live) = self.calls.remove(call) else { return };
        if live.cancelled {
            return;
        }
        let Live { frame, node, site, module, .. } = live;
        match answer {
            Some(Ok(output)) => match Value::new(output) {
                Ok(value) => self.complete(frame, node, value),
                Err(fault) => self.fail_call(frame, node, site, module, *fault),
            },
            Some(Err(failure)) => self.fail_call(frame, node, site, module, *failure),
            None => {}
        }
    }

    fn fail_call(&mut self, frame: u32, node: u32, site: SiteId, module: usize, failure: Failure) {
        let module = Arc::clone(&self.program.plan().modules[module].name);
        let span = Some(self.span(frame, node));
        self.fail(frame, node, RunFailure { failure, site: Some(site), module: Some(module), span });
    }

    /// Gives a call up.
    pub(super) fn cancel(&mut self, call: u32) {
        // One that has not left yet never does.
        if let Some(at) = self.starts.iter().position(|start| start.call == call) {
            self.starts.swap_remove(at);
            self.calls.remove(call);
            return;
        }
        let Some(live) = self.calls.get_mut(call) else { return };
        live.cancelled = true;
        if let Some(abort) = &live.abort {
            abort.abort();
        }
        self.cancelled.push(call);
    }
}
