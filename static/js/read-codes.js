// Reads EAN-13 and QR codes out of pictures, in a thread of its own so that the page never stands still.
// The first message names the addresses of zbar and its WebAssembly; each later one is a picture { pixels (RGBA), width, height }.
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
  return [];
}

async function read({ pixels, width, height }) {
  const symbols = await zbarWasm.scanRGBABuffer(pixels, width, height, scanner);
  return symbols.map((symbol) => ({
    format: symbol.type === zbarWasm.ZBarSymbolType.ZBAR_QRCODE ? "qr_code" : "ean_13",
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
