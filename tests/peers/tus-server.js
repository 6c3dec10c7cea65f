// SPDX-License-Identifier: MIT
//
// tus-server.js PORT|SOCKET DIR [LOG]: @tus/server with its file store in DIR, at /files on a port of loopback or on a Unix
// socket. LOG gets a line for each request: ms since 1970, method, URL, status. By peers.bash.
'use strict';
const fs = require('fs');
const http = require('http');
const { Server } = require('@tus/server');
const { FileStore } = require('@tus/file-store');

const [where, directory, log] = process.argv.slice(2);
const tus = new Server({ path: '/files', datastore: new FileStore({ directory }) });
const server = http.createServer((request, response) => {
	const start = Date.now();
	if (log)
		response.on('close', () => fs.appendFileSync(log,
			`${start} ${request.method} ${request.url} ${response.statusCode}\n`));
	tus.handle(request, response);
});
// A core over a slow line takes its time.
server.requestTimeout = 0;
if (/^\d+$/.test(where))
	server.listen(Number(where), '127.0.0.1');
else
	server.listen(where);
