// Drives the Vercel `ai` package: reads a list of jobs as JSON from stdin, runs them side by side, prints one line of JSON for each.
//
// A job says who speaks (`provider`), to whom (`base`, `key`), with which models (`models.chat`, `models.long`, …), and what (`scenarios`,
// run one after the other). Its line has for each scenario `{"value": …}` or `{"error": …}`. What is good is judged by the tests, not here.

import { createRequire } from "node:module";
import { text as read } from "node:stream/consumers";

const load = createRequire(`${process.env.GPROXY_NODE_HOME}/`);
const { generateText, generateObject, streamText, jsonSchema, stepCountIs, tool, Output } = load("ai");
const { createOpenAI } = load("@ai-sdk/openai");
const { createAnthropic } = load("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = load("@ai-sdk/google");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");
const { z } = load("zod");

globalThis.AI_SDK_LOG_WARNINGS = false;

// Each family's provider, as its documentation says to point it at another address.
const PROVIDERS = {
  "openai-chat": (at) => createOpenAI({ ...at, baseURL: `${at.base}/v1` }).chat,
  "openai-responses": (at) => createOpenAI({ ...at, baseURL: `${at.base}/v1` }).responses,
  anthropic: (at) => createAnthropic({ ...at, baseURL: `${at.base}/v1` }),
  google: (at) => createGoogleGenerativeAI({ ...at, baseURL: `${at.base}/v1beta` }),
  compatible: (at) =>
    createOpenAICompatible({ ...at, name: "gateway", baseURL: `${at.base}/v1`, includeUsage: true, supportsStructuredOutputs: true }),
};

// How each asks for thinking that is shown and can be sent back. Chat has no word for showing it.
const THINKING = {
  "openai-chat": { openai: { reasoningEffort: "high", forceReasoning: true } },
  "openai-responses": { openai: { reasoningEffort: "high", reasoningSummary: "auto", forceReasoning: true } },
  anthropic: { anthropic: { thinking: { type: "adaptive", display: "summarized" }, effort: "high" } },
  google: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } } },
  compatible: { gateway: { reasoningEffort: "high" } },
};

const city = z.object({ city: z.string().describe("Where") });
const person = z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.string()) });
const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" }, tags: { type: "array", items: { type: "string" } } },
  required: ["name", "age", "tags"],
  additionalProperties: false,
};

const USE = "Use the tool get_weather for Paris";
const BOTH = "Use both tools";
const SEA = "Tell me of the sea – ça va? 🌊";
const MANY = "many words ".repeat(20);
const quiet = { onError: () => {} };

/** One job's way to ask: its provider, its tools, and what they were asked to do. */
function speaker(job) {
  const ran = [];
  const told = (name) => async (input) => {
    ran.push({ name, input });
    return `${name} is fine: sunny, 21 °C`;
  };
  const tools = {
    get_weather: tool({ description: "The weather", inputSchema: city, execute: told("get_weather") }),
    get_time: tool({ description: "The time", inputSchema: city, execute: told("get_time") }),
  };
  // Responses keeps what was said on the server, unless it is told not to. Who answers offline keeps nothing.
  const kept = job.provider === "openai-responses" && job.target === "demo" ? { providerOptions: { openai: { store: false } } } : {};
  const limit = job.provider === "compatible" ? {} : { maxOutputTokens: 8000 };
  const model = (role, more) => PROVIDERS[job.provider]({ base: job.base, apiKey: job.key, ...more })(job.models[role] ?? role);
  const base = (role, more) => ({ model: model(role, more), ...limit, ...kept, maxRetries: 0 });
  return { job, ran, tools, base, plain: { maxRetries: 0, ...limit }, model };
}

const SCENARIOS = {
  plain: async ({ base }) => shown(await generateText({ ...base("chat"), prompt: SEA })),
  stream: async ({ base }) => streamed(streamText({ ...base("chat"), ...quiet, prompt: SEA })),
  system: async ({ base }) => shown(await generateText({ ...base("chat"), system: "Speak like a pirate.", prompt: "hi" })),
  turns: async ({ base }) => {
    const messages = [
      { role: "user", content: "one" },
      { role: "assistant", content: "first" },
      { role: "user", content: [{ type: "text", text: "three, please" }] },
    ];
    return shown(await generateText({ ...base("chat"), messages }));
  },
  tools: async ({ base, tools }) => shown(await generateText({ ...base("tools"), tools, prompt: USE, stopWhen: stepCountIs(3) })),
  "tools-stream": async ({ base, tools }) => streamed(streamText({ ...base("tools"), ...quiet, tools, prompt: USE, stopWhen: stepCountIs(3) })),
  kept: async ({ plain, model, tools }) => {
    const call = { ...plain, model: model("tools"), tools, stopWhen: stepCountIs(3) };
    const messages = [{ role: "user", content: USE }];
    const first = await generateText({ ...call, messages });
    messages.push(...first.response.messages, { role: "user", content: "Use the tool get_weather for Rome" });
    return shown(await generateText({ ...call, messages }));
  },
  forced: async ({ base, tools }) => {
    const toolChoice = { type: "tool", toolName: "get_time" };
    return shown(await generateText({ ...base("tools"), tools, toolChoice, prompt: "What time is it?", stopWhen: stepCountIs(1) }));
  },
  parallel: async ({ base, tools }) => shown(await generateText({ ...base("tools"), tools, prompt: BOTH, stopWhen: stepCountIs(3) })),
  "parallel-stream": async ({ base, tools }) =>
    streamed(streamText({ ...base("tools"), ...quiet, tools, prompt: BOTH, stopWhen: stepCountIs(3) })),
  image: async ({ base, job }) => {
    const image = { type: "image", image: Buffer.from(job.pixel, "base64"), mediaType: "image/png" };
    return shown(await generateText({ ...base("chat"), messages: [{ role: "user", content: [{ type: "text", text: "what is this?" }, image] }] }));
  },
  object: async ({ base }) => {
    const result = await generateText({ ...base("chat"), output: Output.object({ schema: jsonSchema(PERSON) }), prompt: "a person" });
    return { ...shown(result), object: result.output };
  },
  "object-stream": async ({ base }) => {
    const result = streamText({ ...base("chat"), ...quiet, output: Output.object({ schema: jsonSchema(PERSON) }), prompt: "a person" });
    const value = await streamed(result);
    return value.errors.length ? value : { ...value, object: await result.output };
  },
  "object-zod": async ({ base }) => {
    const result = await generateObject({ ...base("chat"), schema: person, schemaName: "person", prompt: "a person" });
    return { object: result.object, finish: result.finishReason, usage: result.usage };
  },
  reasoning: async (who) =>
    thoughtful(who, async (call) => {
      const result = await generateText(call);
      return [shown(result), result.response.messages];
    }),
  "reasoning-stream": async (who) =>
    thoughtful(who, async (call) => {
      const result = streamText({ ...call, ...quiet });
      const value = await streamed(result);
      if (value.errors.length) throw value.errors[0];
      return [value, (await result.response).messages];
    }),
  stops: async ({ base }) => shown(await generateText({ ...base("long"), stopSequences: ["gamma"], prompt: "alpha beta gamma" })),
  length: async ({ base }) => shown(await generateText({ ...base("long"), maxOutputTokens: 16, prompt: MANY })),
  "error-400": async ({ base }) => shown(await generateText({ ...base("chat", { fetch: spoiled }), prompt: "hi" })),
  "error-401": async ({ base, job }) => shown(await generateText({ ...base("chat", { apiKey: job.wrong }), prompt: "hi" })),
  "error-404": async ({ base }) => shown(await generateText({ ...base("no-such-model-9"), prompt: "hi" })),
  "error-429": async ({ base, job }) => shown(await generateText({ ...base(`${job.prefix}mock-429-98`), prompt: "hi" })),
  "error-429-stream": async ({ base, job }) => streamed(streamText({ ...base(`${job.prefix}mock-429-99`), ...quiet, prompt: "hi" })),
  cut: async ({ base, job }) => streamed(streamText({ ...base(`${job.prefix}mock-cut-98`), ...quiet, prompt: MANY })),
};

/** Two questions, each with a call of a tool in between: all that was answered goes back. */
async function thoughtful({ base, tools, job }, ask) {
  const call = { ...base("tools"), tools, providerOptions: THINKING[job.provider], stopWhen: stepCountIs(3) };
  const messages = [{ role: "user", content: USE }];
  const [first, said] = await ask({ ...call, messages });
  messages.push(...said, { role: "user", content: "Use the tool get_weather for Rome" });
  const [second] = await ask({ ...call, messages });
  return { first, second };
}

/** The same request with a list of turns that is none. */
async function spoiled(url, init) {
  const body = JSON.parse(init.body);
  for (const name of ["messages", "input", "contents"]) if (name in body) body[name] = 7;
  return fetch(url, { ...init, body: JSON.stringify(body) });
}

function shown(result) {
  return { text: result.text, finish: result.finishReason, usage: result.usage, steps: steps(result.steps) };
}

function steps(list) {
  return list.map((step) => ({
    finish: step.finishReason,
    text: step.text,
    reasoning: step.reasoningText ?? "",
    usage: step.usage,
    calls: step.toolCalls.map((call) => ({ id: call.toolCallId, name: call.toolName, input: call.input, bad: call.invalid ?? false })),
    results: step.toolResults.map((result) => ({ id: result.toolCallId, output: result.output })),
  }));
}

async function streamed(result) {
  const [pieces, errors, kinds] = [[], [], []];
  for await (const part of result.fullStream) {
    kinds.push(part.type);
    if (part.type === "text-delta") pieces.push(part.text);
    if (part.type === "error") errors.push(fault(part.error));
  }
  if (errors.length) return { pieces, errors, kinds };
  return { pieces, errors, kinds, text: await result.text, finish: await result.finishReason, usage: await result.usage, steps: steps(await result.steps) };
}

function fault(error) {
  if (error && typeof error === "object" && "status" in error && "sent" in error) return error;
  return {
    name: error?.name ?? typeof error,
    message: String(error?.message ?? JSON.stringify(error)),
    status: error?.statusCode ?? null,
    retryable: error?.isRetryable ?? null,
    after: error?.responseHeaders?.["retry-after"] ?? null,
    body: error?.responseBody ?? null,
    sent: error?.requestBodyValues ?? null,
  };
}

async function run(job) {
  const who = speaker(job);
  const results = {};
  for (const name of job.scenarios) {
    who.ran.length = 0;
    try {
      const value = await SCENARIOS[name](who);
      results[name] = { value, ran: [...who.ran] };
    } catch (error) {
      results[name] = { error: fault(error), ran: [...who.ran] };
    }
  }
  process.stdout.write(`${JSON.stringify({ provider: job.provider, target: job.target, results })}\n`);
}

await Promise.all(JSON.parse(await read(process.stdin)).map(run));
