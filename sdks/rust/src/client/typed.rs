//! Native and dynamic values as the bytes of a call, and back. Sends nothing.

use crate::client::ModuleInfo;
use crate::codec::{self, CodecError, Decode, Encode};
use crate::error::{Category, Error};
use crate::types::CType;
use crate::value::Value;

/// The inputs of a call, one or those of a batch, each with what is wrong with it.
pub(crate) type Encoded = Vec<Result<Vec<u8>, CodecError>>;

/// Encodes for a module; for exactly the caller's types where there is none.
pub(crate) fn encoded<I: Encode + ?Sized>(input: &I) -> impl Fn(Option<&ModuleInfo>) -> Encoded + use<I> {
    let given = codec::to_bytes(input);
    move |module| vec![fit::<I>(&given, module)]
}

/// As [`encoded`], for a batch.
pub(crate) fn encoded_all<I: Encode>(inputs: &[I]) -> impl Fn(Option<&ModuleInfo>) -> Encoded + use<I> {
    let given: Encoded = inputs.iter().map(codec::to_bytes).collect();
    move |module| given.iter().map(|input| fit::<I>(input, module)).collect()
}

/// As [`encoded`], for a value whose type only the module knows.
pub(crate) fn encoded_value(input: &Value) -> impl Fn(Option<&ModuleInfo>) -> Encoded {
    let ty = |module: Option<&ModuleInfo>| module.map_or(CType::Any, |module| module.input.clone());
    move |module| vec![codec::value_to_bytes(&ty(module), input)]
}

fn fit<I: Encode + ?Sized>(
    given: &Result<Vec<u8>, CodecError>,
    module: Option<&ModuleInfo>,
) -> Result<Vec<u8>, CodecError> {
    let given = given.clone()?;
    match module {
        Some(module) => carry(given, &I::ctype(), &module.input),
        None => Ok(given),
    }
}

/// The one input of a plain call.
pub(crate) fn single(encoded: Encoded, name: &str) -> Result<Vec<u8>, Error> {
    let input = encoded.into_iter().next().unwrap_or_else(|| Ok(Vec::new()));
    input.map_err(|fault| Error::from(fault).with_detail("module", name))
}

/// An output as the caller's type.
pub(crate) fn read<O: Decode>(module: Option<&ModuleInfo>, output: &[u8]) -> Result<O, Error> {
    match module {
        Some(module) => receive(output, &module.output),
        None => codec::from_bytes(output).map_err(wrong_output),
    }
}

/// An output of the type that the module declares.
pub(crate) fn read_value(module: Option<&ModuleInfo>, output: &[u8]) -> Result<Value, Error> {
    let ty = module.map_or(&CType::Any, |module| &module.output);
    codec::value_from_bytes(ty, output).map_err(wrong_output)
}

/// An encoding of one type as an encoding of another: the bytes as they are where the types are the same.
pub(crate) fn carry(bytes: Vec<u8>, from: &CType, to: &CType) -> Result<Vec<u8>, CodecError> {
    if from == to {
        return Ok(bytes);
    }
    let value = codec::value_from_bytes(from, &bytes)?;
    codec::value_to_bytes(to, &value.bare())
}

/// An output of the module's type as the caller's.
pub(crate) fn receive<O: Decode>(output: &[u8], declared: &CType) -> Result<O, Error> {
    let wanted = O::ctype();
    let decoded = if wanted == *declared {
        codec::from_bytes(output)
    } else {
        carry(output.to_vec(), declared, &wanted).and_then(|bytes| codec::from_bytes(&bytes))
    };
    decoded.map_err(|fault| {
        wrong_output(fault).with_detail("expected", wanted.to_string()).with_detail("actual", declared.to_string())
    })
}

fn wrong_output(fault: CodecError) -> Error {
    let code = fault.code();
    let path = fault.path().to_owned();
    Error::new(Category::FailedPrecondition, code, format!("the output does not fit: {fault}"))
        .with_detail("path", path)
}
