// SPDX-License-Identifier: MIT
//
// tus-client.js URL FILE ID: uploads FILE (zstd) as the core of crash ID with tus-js-client, in pieces, and goes on after each
// break for as long as it gets anywhere. Prints "done RETRIES".
'use strict';
const fs = require('fs');
const tus = require('tus-js-client');

const [endpoint, file, id] = process.argv.slice(2);
let retries = 0;
const upload = new tus.Upload(fs.createReadStream(file), {
	endpoint,
	uploadSize: fs.statSync(file).size,
	chunkSize: 256 << 10,
	retryDelays: new Array(200).fill(50),
	metadata: { filename: `${id}.core.zst`, exe: '/usr/bin/tus-js-client', pid: '4166' },
	onShouldRetry: () => { retries++; return true; },
	onError: (error) => { console.log(`failed: ${error}`); process.exit(1); },
	onSuccess: () => { console.log(`done ${retries}`); process.exit(0); },
});
upload.start();
