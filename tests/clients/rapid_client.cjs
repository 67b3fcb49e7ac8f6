// In the place of the part of aws-lambda-ric that is written in C++: three requests to the Runtime API. An answer is on
// its way before the next invocation is asked for.
"use strict";
const http = require("node:http");

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
let answered = Promise.resolve();

function send(method, path, headers, body) {
    return new Promise((resolve, reject) => {
        const options = { hostname, port, method, path: `/2018-06-01/runtime/invocation/${path}`, headers };
        const request = http.request(options, (response) => {
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (chunk) => (text += chunk));
            response.on("end", () => resolve({ bodyJson: text, headers: response.headers }));
        });
        request.on("error", reject);
        request.end(body);
    });
}

exports.initializeClient = () => {};
exports.next = async () => {
    await answered;
    return send("GET", "next", {});
};
exports.done = (id, body) => {
    answered = send("POST", `${id}/response`, { "Content-Type": "application/json" }, body);
};
exports.error = (id, body) => {
    answered = send("POST", `${id}/error`, { "Content-Type": "application/json" }, body);
};
