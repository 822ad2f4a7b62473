// Reads EAN-13 and QR codes out of pictures, in a thread of its own so that the page never stands still.
// The first message names the addresses of zbar and its WebAssembly; each later one is a picture { pixels (RGBA), width, height,
// step }, of which every `step`th line is looked at (every one, if it says nothing).
// Answers come on the port that was sent along: { codes: [{ format, text, x, y }] }, x and y being the code's middle in pixels, or
// { failed } with what went wrong.
"use strict";

let scanner = null;

async function load({ zbar, wasm }) {
  importScripts(zbar);
  zbarWasm.setModuleArgs({ locateFile: () => wasm });
  const { ZBarSymbolType: types, ZBarConfigType: config } = zbarWasm;
  scanner = await zbarWasm.getDefaultScanner();
  scanner.setConfig(types.ZBAR_NONE, config.ZBAR_CFG_ENABLE, 0);
  for (const type of [types.ZBAR_EAN13, types.ZBAR_QRCODE]) scanner.setConfig(type, config.ZBAR_CFG_ENABLE, 1);
  // The first picture takes several times as long as the others: it is one that nobody waits for.
  return read({ pixels: new ArrayBuffer(640 * 360 * 4), width: 640, height: 360 });
}

async function read({ pixels, width, height, step = 1 }) {
  const { ZBarSymbolType: types, ZBarConfigType: config } = zbarWasm;
  scanner.setConfig(types.ZBAR_NONE, config.ZBAR_CFG_X_DENSITY, step);
  scanner.setConfig(types.ZBAR_NONE, config.ZBAR_CFG_Y_DENSITY, step);
  const symbols = await zbarWasm.scanRGBABuffer(pixels, width, height, scanner);
  return symbols.map((symbol) => ({
    format: symbol.type === types.ZBAR_QRCODE ? "qr_code" : "ean_13",
    text: symbol.decode(),
    x: middle(symbol.points.map((point) => point.x)),
    y: middle(symbol.points.map((point) => point.y)),
  }));
}

function middle(values) {
  return (Math.min(...values) + Math.max(...values)) / 2;
}

self.onmessage = async ({ data, ports: [port] }) => {
  try {
    port.postMessage({ codes: await (data.zbar ? load(data) : read(data)) });
  } catch (error) {
    port.postMessage({ failed: String(error) });
  }
};
