//! Lambdas over lists: begins elements as far as the bound allows, and takes what they come to.

use super::super::Failure;
use super::super::each::EachRun;
use super::super::fault::Fault;
use super::super::frame::{Home, Slot};
use super::super::program::EachInstr;
use super::super::value::Value;
use super::{Machine, Work};

/// Elements that begin in one turn.
const AT_ONCE: usize = 16;
/// Elements of all lambdas together, from which on a lambda inside of another runs one at a time: else their numbers would multiply.
const MOST_NESTED: usize = 4096;

impl<'p> Machine<'p> {
    /// Begins with a list; gives the value at once where the list is empty.
    pub(super) fn begin_each(&mut self, frame: u32, node: u32, instr: &'p EachInstr) -> Result<Option<Value>, Fault> {
        let list = self.value(frame, instr.list)?.clone();
        let initial = match instr.initial {
            Some(initial) => Some(self.value(frame, initial)?.clone()),
            None => None,
        };
        let limit = instr.limit.unwrap_or(self.options.each_concurrency).max(1);
        self.serials = self.serials.wrapping_add(1);
        let mut run = EachRun::new(instr, (frame, node), self.serials, &list, initial, limit)?;
        if let Some(value) = run.if_empty() {
            return Ok(Some(value));
        }
        let each = self.eaches.insert(run);
        self.frames[frame as usize].cells[node as usize].slot = Slot::Each(each);
        self.go_on(each);
        Ok(None)
    }

    /// Puts a lambda in the queue, if it can begin elements.
    fn go_on(&mut self, each: u32) {
        if let Some(run) = self.eaches.get_mut(each)
            && run.can_begin()
            && !run.queued
        {
            run.queued = true;
            let serial = run.serial;
            self.ready.push_back(Work::Begin { each, serial });
        }
    }

    /// The turn of a lambda.
    pub(super) fn begin_elements(&mut self, each: u32, serial: u32) {
        for _ in 0..AT_ONCE {
            let Some(run) = self.eaches.get_mut(each).filter(|run| run.serial == serial) else { return };
            run.queued = false;
            if !run.can_begin() {
                return;
            }
            let is_nested = self.frames[run.owner.0 as usize].home.is_some();
            if is_nested && self.elements >= MOST_NESTED && !run.live.is_empty() {
                return;
            }
            let (code, owner, is_many) = (run.instr.code, run.owner, run.is_many());
            let begun = match run.begin() {
                Ok(begun) => begun,
                Err(fault) => return self.fail_each(each, *fault),
            };
            let frame = self.take_frame(code);
            self.elements += 1;
            let many = is_many || self.frames[owner.0 as usize].many;
            let mut place = 0;
            if let Some(run) = self.eaches.get_mut(each) {
                place = run.live.len();
                run.live.push(frame);
            }
            let state = &mut self.frames[frame as usize];
            state.params = begun.params;
            state.home = Some(Home { each, index: begun.index, item: begun.item, place });
            state.many = many;
            self.fuel -= (state.cells.len() / 8) as i64 + ((begun.item.1 - begun.item.0) / 1024) as i64;
            if let Some(result) = self.code(frame).result {
                self.demand(frame, result);
            }
        }
        self.go_on(each);
    }

    /// Takes the value of an element.
    pub(super) fn element_ended(&mut self, frame: u32, node: u32) {
        let Some(home) = self.frames[frame as usize].home else { return };
        let slot = std::mem::replace(&mut self.frames[frame as usize].cells[node as usize].slot, Slot::Gone);
        let Slot::Done(value) = slot else { return };
        self.drop_frame(frame);
        let Some(run) = self.eaches.get_mut(home.each) else { return };
        run.live.swap_remove(home.place);
        let moved = run.live.get(home.place).copied();
        if let Some(moved) = moved
            && let Some(home_of_moved) = &mut self.frames[moved as usize].home
        {
            home_of_moved.place = home.place;
        }
        self.fuel -= (value.size() / 1024) as i64;
        let limit = self.options.value_bytes;
        let Some(run) = self.eaches.get_mut(home.each) else { return };
        match run.end(home, value, limit) {
            Ok(None) => self.go_on(home.each),
            Ok(Some(value)) => {
                let (frame, node) = run.owner;
                self.drop_each(home.each);
                self.complete(frame, node, value);
            }
            Err(fault) => self.fail_each(home.each, *fault),
        }
    }

    /// Lets a lambda itself fail.
    fn fail_each(&mut self, each: u32, failure: Failure) {
        if let Some((frame, node)) = self.eaches.get(each).map(|run| run.owner) {
            self.drop_each(each);
            self.fail_operation(frame, node, failure);
        }
    }

    /// Lets those go on who waited for a node of the frame around.
    pub(super) fn answer_asks(&mut self, each: u32, outer: u32) {
        let Some(run) = self.eaches.get_mut(each) else { return };
        if run.asks.is_empty() {
            return;
        }
        let asks = std::mem::take(&mut run.asks);
        let (answered, others): (Vec<_>, Vec<_>) = asks.into_iter().partition(|ask| ask.2 == outer);
        run.asks = others;
        for (frame, node, _) in answered {
            self.enqueue(frame, node);
        }
    }

    /// Gives a lambda up, with all that runs for it.
    pub(super) fn drop_each(&mut self, each: u32) {
        if let Some(run) = self.eaches.remove(each) {
            for frame in run.live {
                self.drop_frame(frame);
            }
        }
    }

    /// Ends a frame, and all that runs in it.
    fn drop_frame(&mut self, frame: u32) {
        let state = &mut self.frames[frame as usize];
        state.serial = state.serial.wrapping_add(1);
        state.params = [Value::Nil, Value::Nil];
        state.home = None;
        self.elements -= 1;
        let code = state.code;
        for i in 0..state.cells.len() {
            match self.frames[frame as usize].cells[i].slot {
                Slot::Each(each) => self.drop_each(each),
                Slot::Call(call) => self.cancel(call),
                _ => {}
            }
        }
        self.frames[frame as usize].cells.clear();
        self.idle[code as usize].push(frame);
    }
}
