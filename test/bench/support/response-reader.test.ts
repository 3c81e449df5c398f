import { expect, test } from "vitest";
import { ResponseReader } from "./response-reader.ts";

const responses = [
  {
    name: "of a known length",
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "1"\r\n\r\n{}',
    read: { status: 200, body: "{}", isLast: false },
  },
  {
    name: "in chunks",
    text: "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
    read: { status: 201, body: "abc0123456789", isLast: false },
  },
  {
    name: "in chunks, with a trailer field",
    text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n",
    read: { status: 200, body: "a", isLast: false },
  },
  {
    name: "without a body",
    text: "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
    read: { status: 304, body: "", isLast: true },
  },
];

test.each(responses)("a response $name is read, whole or byte by byte", ({ text, read }) => {
  const bytes = Buffer.from(text);
  const textual = (response: ReturnType<ResponseReader["push"]>) =>
    response && { ...response, body: response.body.toString() };
  const reader = new ResponseReader();
  expect(textual(reader.push(bytes))).toEqual(read);
  for (let at = 0; at < bytes.length - 1; at += 1) {
    expect(reader.push(bytes.subarray(at, at + 1))).toBeUndefined();
  }
  expect(textual(reader.push(bytes.subarray(-1)))).toEqual(read);
});

test.each([
  { name: "no HTTP", text: "SSH-2.0\r\ncontent-length: 0\r\n\r\n" },
  { name: "no length", text: "HTTP/1.1 200 OK\r\n\r\n" },
  { name: "more than was asked for", text: "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab" },
  { name: "a broken chunk", text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n" },
])("$name is an error", ({ text }) => {
  expect(() => new ResponseReader().push(Buffer.from(text))).toThrow();
});
