import AdapterFormat
import Dispatch
import Foundation
import ModelFiles
import Synchronization
import TestSupport

@testable import TinaRuntime
@testable import Trainer

/// A server of another program's protocol in this process. It reads adapters from their files, and its engine samples
/// what the trainer's would.
final class StubServer: Sendable {
  /// What a test looks at.
  struct State: Sendable {
    /// Adapters by name.
    var loaded: [String: AttachedAdapter] = [:]
    /// `load NAME` and `unload NAME`, in their order.
    var orders: [String] = []
    /// Where adapters were read from.
    var paths: [String] = []
    /// Requests for completions by adapter.
    var asked: [String: Int] = [:]
    /// Whether the model of a llama-server runs.
    var isRunning = false
  }

  let kind: ServerKind
  let state = Mutex(State())
  private let engine: Engine
  /// What is added to each log-probability.
  private let noise: Float
  /// The place in the run of each request, by the seed that it has.
  private let places: [Int: (prompt: Int, sample: Int)]
  /// What llama-server reads its adapter from.
  private let gguf: String
  private let limits: Limits
  private let server = Mutex<FakeServer?>(nil)

  /// What a server lacks.
  struct Limits: Sendable {
    var loadsAdapters = true
    var isTempered = false
    var context = 4096
    /// The most tokens that the server itself allows.
    var tokens = Int.max
    /// The largest rank of a vLLM.
    var rank = 16
  }

  var address: String { server.withLock { $0?.address ?? "" } }

  init(_ kind: ServerKind, noise: Float = 0, folder: String = "", _ limits: Limits = Limits()) throws {
    self.kind = kind
    self.noise = noise
    self.limits = limits
    gguf = folder + "/adapter.gguf"
    engine = Engine(model: try Model(path: pico, threads: 1, activations: .f32))
    var places: [Int: (prompt: Int, sample: Int)] = [:]
    for prompt in 0..<64 {
      for sample in 0..<8 { places[ServerTerms.seed(42, prompt, sample)] = (prompt, sample) }
    }
    self.places = places
    let fake = try FakeServer { [weak self] request in
      self?.answer(request) ?? .hangUp
    }
    server.withLock { $0 = fake }
  }

  private func answer(_ request: FakeServer.Request) -> FakeServer.Answer {
    do {
      return try reply(request) ?? .reply(404, #"{"detail": "Not Found"}"#)
    } catch {
      return .reply(500, #"{"error": {"message": "the stub failed"}}"#)
    }
  }

  private func reply(_ request: FakeServer.Request) throws -> FakeServer.Answer? {
    let json = request.json
    switch (kind, request.method + " " + request.target) {
    case (_, "GET /v1/models"): return .reply(200, try text(["data": models()]))
    case (.vllm, "POST /v1/load_lora_adapter") where limits.loadsAdapters,
      (.sglang, "POST /load_lora_adapter"):
      guard let name = json["lora_name"] as? String, let path = json["lora_path"] as? String, !name.isEmpty
      else {
        return .reply(400, #"{"error": {"message": "Both must be provided."}}"#)
      }
      let adapter = configuration(path)
      guard kind == .vllm || ["rank_pattern", "alpha_pattern"].allSatisfy({ !hasRules(adapter, $0) }) else {
        return .reply(400, #"{"error": {"message": "ranks and scales of modules are not read"}}"#)
      }
      guard let rank = adapter["r"] as? Int, rank <= limits.rank else {
        let said = "LoRA rank \(adapter["r"] ?? 0) is greater than max_lora_rank \(limits.rank)."
        return .reply(500, #"{"error": {"message": "\#(said)"}}"#)
      }
      guard try load(name, path) else { return .reply(400, #"{"error": {"message": "already loaded"}}"#) }
      return .reply(200, #"{"success": true}"#)
    case (.vllm, "POST /v1/unload_lora_adapter"), (.sglang, "POST /unload_lora_adapter"):
      unload(json["lora_name"] as? String ?? "")
      return .reply(200, #"{"success": true}"#)
    case (.llama, "POST /models/unload"):
      unload("policy")
      return .reply(200, #"{"success": true}"#)
    case (.llama, "POST /models/load"):
      _ = try load("policy", gguf)
      return .reply(200, #"{"success": true}"#)
    case (.vllm, "POST /v1/completions"), (.sglang, "POST /generate"), (.llama, "POST /completion"):
      return try complete(json)
    default: return nil
    }
  }

  /// An adapter's settings.
  private func configuration(_ folder: String) -> [String: Any] {
    let data = FileManager.default.contents(atPath: folder + "/adapter_config.json") ?? Data()
    return (try? JSONSerialization.jsonObject(with: data) as? [String: Any]) ?? [:]
  }

  /// Whether a key has rules for some modules.
  private func hasRules(_ configuration: [String: Any], _ key: String) -> Bool {
    (configuration[key] as? [String: Any])?.isEmpty == false
  }

  private func text(_ object: Any) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
  }

  private func models() -> [[String: Any]] {
    let (names, isRunning) = state.withLock { (Array($0.loaded.keys), $0.isRunning) }
    switch kind {
    case .vllm:
      let base: [String: Any] = [
        "id": "base", "owned_by": "vllm", "parent": NSNull(), "max_model_len": limits.context,
      ]
      return names.map { ["id": $0, "owned_by": "vllm", "parent": "base"] } + [base]
    case .sglang: return [["id": "base", "owned_by": "sglang", "max_model_len": limits.context]]
    default:
      let status: [String: Any] = [
        "value": isRunning ? "loaded" : "unloaded",
        "preset": limits.loadsAdapters
          ? "[policy]\nmodel = base.gguf\nlora = \(gguf)\n" : "[policy]\nmodel = a\n",
      ]
      return [["id": "policy", "owned_by": "llamacpp", "status": status]]
    }
  }

  private func load(_ name: String, _ path: String) throws -> Bool {
    guard state.withLock({ $0.loaded[name] == nil }) else { return false }
    let base = try BaseArchitecture(path: pico)
    let adapter = try AttachedAdapter(
      Adapter(path: path, base: base), to: engine.model, allowBaseMismatch: true)
    state.withLock { state in
      state.loaded[name] = adapter
      state.orders.append("load " + name)
      state.paths.append(path)
      state.isRunning = true
    }
    return true
  }

  private func unload(_ name: String) {
    state.withLock { state in
      state.loaded[name] = nil
      state.orders.append("unload " + name)
      state.isRunning = false
    }
  }

  private func complete(_ json: [String: Any]) throws -> FakeServer.Answer {
    let settings = json["sampling_params"] as? [String: Any] ?? json
    let name = json["lora_path"] as? String ?? json["model"] as? String ?? ""
    let prompt = json["prompt"] as? [Int] ?? json["input_ids"] as? [Int] ?? []
    let temperature = (settings["temperature"] as? NSNumber)?.floatValue ?? 1
    if json["lora_path"] == nil, kind == .sglang || name == "base" { return try probe(temperature) }
    let adapter = state.withLock { state in
      state.asked[name, default: 0] += 1
      return state.loaded[name]
    }
    guard let adapter else { return .reply(404, #"{"error": {"message": "no such adapter"}}"#) }
    let seed = json["seed"] as? Int ?? -1
    let place = places[seed] ?? (0, 0)
    var sampling = SamplingParameters(temperature: temperature, seed: 42)
    sampling.topK = max(settings["top_k"] as? Int ?? 0, 0)
    // vLLM takes what is not said from the base's generation_config.json.
    let usual: Float = kind == .vllm ? 1.2 : 1
    sampling.repetitionPenalty = (settings["repetition_penalty"] as? NSNumber)?.floatValue ?? usual
    let limit = ["max_tokens", "max_new_tokens", "n_predict"].lazy.compactMap { settings[$0] as? Int }.first
    let request = GenerationRequest(
      prompt: prompt,
      AnswerSettings(
        adapter: adapter, sampling: sampling, maxTokens: min(limit ?? limits.tokens, limits.tokens)),
      allowedTokens: engine.model.config.vocabSize, promptIndex: place.prompt, sampleIndex: place.sample)
    let count = settings["n"] as? Int ?? 1
    let texts = try waiting { [engine] in try await engine.generate(request, samples: count).collect() }
    return .reply(200, try answer(texts))
  }

  private func answer(_ texts: [CompletedText]) throws -> String {
    let told = texts.map { text in
      (
        ids: text.ids, values: text.logProbabilities.map { JSONValue.number("\($0 + noise)").text() },
        reason: text.reason == .stop ? "stop" : "length"
      )
    }
    // Numbers are written as the trainer reads them: JSONSerialization's digits are others.
    switch kind {
    case .vllm:
      let choices = told.enumerated().map { index, text in
        #"{"index": \#(index), "finish_reason": "\#(text.reason)", "logprobs": {"tokens": ["#
          + text.ids.map { "\"token_id:\($0)\"" }.joined(separator: ",") + #"], "token_logprobs": ["#
          + text.values.joined(separator: ",") + "]}}"
      }
      // In any order.
      return #"{"choices": [\#(choices.reversed().joined(separator: ","))]}"#
    case .sglang:
      let answers = told.map { text in
        #"{"meta_info": {"finish_reason": {"type": "\#(text.reason)"}, "output_token_logprobs": ["#
          + zip(text.values, text.ids).map { "[\($0), \($1), null]" }.joined(separator: ",") + "]}}"
      }
      return answers.count == 1 ? answers[0] : "[" + answers.joined(separator: ",") + "]"
    default:
      let text = told[0]
      return #"{"tokens": \#(text.ids), "stop_type": "\#(text.reason == "stop" ? "eos" : "limit")", "#
        + #""completion_probabilities": ["#
        + zip(text.ids, text.values).map { #"{"id": \#($0), "logprob": \#($1)}"# }.joined(separator: ",")
        + "]}"
    }
  }

  /// The likeliest token after a prompt, as the run asks for it.
  private func probe(_ temperature: Float) throws -> FakeServer.Answer {
    let value = limits.isTempered ? -2 / temperature : -2
    return .reply(
      200,
      kind == .sglang
        ? #"{"meta_info": {"output_top_logprobs": [[[\#(value), 7, null]]]}}"#
        : #"{"choices": [{"logprobs": {"top_logprobs": [{"a": \#(value)}]}}]}"#)
  }

  /// Waits on a thread that is not Swift's.
  private func waiting<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value
  {
    let done = DispatchSemaphore(value: 0)
    let result = Mutex<Result<Value, any Error>?>(nil)
    Task.detached {
      let outcome: Result<Value, any Error>
      do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
      result.withLock { $0 = outcome }
      done.signal()
    }
    done.wait()
    return try result.withLock { $0 }!.get()
  }
}
