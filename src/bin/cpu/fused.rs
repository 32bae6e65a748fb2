//! Brings the module of linear maps (`src/models/arithmetic/fused.wat`) to run in this program's memory.

use cloze_arithmetic::fused::{MODULE, multiply_by};
use js_sys::{Array, Function, Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::*;

use crate::worker::get;

/// From now on linear maps are left to the module. In a browser that does not know its instructions nothing changes.
pub(crate) fn install() {
    let Ok(multiply) = multiply() else { return };
    multiply_by(move |arguments| {
        // What JavaScript hands on is a word again, whatever its sign.
        let arguments: Array = arguments.iter().map(|argument| JsValue::from(*argument as u32)).collect();
        multiply.apply(&JsValue::UNDEFINED, &arguments).is_ok()
    });
}

/// The module's function.
fn multiply() -> Result<Function, JsValue> {
    let module = WebAssembly::Module::new(&Uint8Array::from(MODULE))?;
    let (imports, own) = (Object::new(), Object::new());
    Reflect::set(&own, &"memory".into(), &wasm_bindgen::memory())?;
    Reflect::set(&imports, &"cloze".into(), &own)?;
    let instance = WebAssembly::Instance::new(&module, &imports)?;
    get(&instance.exports(), "multiply").dyn_into()
}
