import ArgumentParser
import Evaluation
import Grading
import Judging
import ModelFiles
import Problems
import TinaRuntime
import Transfer

// Judging the models of a server.
extension Eval {
  /// Refuses options that say how this process would run a model.
  func validateEndpoint() throws {
    guard endpoint.endpoint != nil else { return }
    let foreign: [(String, Bool)] = [
      ("a model", model != nil), ("--adapter", !adapters.isEmpty), ("--no-base", !base),
      ("--merged", merging.merged != nil), ("--replay", replay != nil),
      ("--allow-base-mismatch", attaching.allowBaseMismatch), ("--trust", attaching.trust),
      ("--threads", compute.threads != nil), ("--context", compute.context != nil),
      ("--activations", compute.activations != nil), ("--cache-memory", compute.cacheMemory != nil),
      ("--draft", speculation.draft != nil),
      ("--cache-type", compute.cacheType != .f16), ("--think or --no-think", thinking.think != nil),
    ]
    if let found = foreign.first(where: \.1) {
      throw ValidationError(
        "--endpoint: found \(found.0) as well, expected no more than the server's own models. Name those with --model."
      )
    }
  }

  func ask(_ client: ServerClient, _ grader: Grader, _ judge: Judge?) async throws {
    let path = try ModelLocator.path(nil, for: [])
    try HubAccess.fetchBenchmark(benchmark, folder: data)
    let benchmark = try Benchmark(
      HubAccess.data(benchmark), folder: data, model: path, style: prompt, keepsColumns: judge != nil)
    let problems = limit.map { Array(benchmark.problems.prefix($0)) } ?? benchmark.problems
    // No digest tells which adapter was merged into weights: such a server is one like any other.
    let server = try await client.describe().flatMap { $0.isMerged ? nil : $0 }
    let contestants = try await contestants(of: client, server)
    if let twice = contestants.first(where: { one in contestants.count { $0.name == one.name } > 1 }) {
      throw CommandError("--model: found the name \(twice.name) twice, expected each once.")
    }
    let settings = EvaluationSettings(
      benchmark: benchmark, problems: problems, template: server?.template ?? "the server's", system: system,
      samples: samples, maxTokens: server.map { min(maxTokens, $0.context) } ?? maxTokens,
      sampling: parameters, cacheType: server.flatMap { CacheType(rawValue: $0.cacheType) },
      activations: server.flatMap { ActivationType(rawValue: $0.activations) },
      base: server?.baseDigest ?? "the server's", contestants: contestants,
      endpoint: server == nil ? client.address.text : nil,
      grader: judge?.command.identity)
    let folder = try EvaluationFolder(out ?? Self.folder(settings))
    let source = ServerAnswers(client, settings: settings, server: server) { Terminal.note($0) }
    let evaluator = Evaluator(
      source: source, problems: problems, style: benchmark.style, contestants: contestants,
      settings: settings, grader: grader, judge: judge)
    try await run(evaluator, in: folder, base: server?.baseName ?? "the server's", grader)
  }

  /// The models that were named, or all that the server has.
  private func contestants(of client: ServerClient, _ server: ServerDescription?) async throws -> [Contestant]
  {
    let named = endpoint.named
    guard let server else {
      let chosen = named.isEmpty ? try await onlyModel(of: client) : named
      return chosen.map { Contestant(name: $0.name ?? $0.model, model: $0.model, digest: nil, scale: 1) }
    }
    let all = [(name: String?.none, model: server.baseName)] + server.adapters.map { (nil, $0.name) }
    return try (named.isEmpty ? all : named).map { name, model in
      if model == server.baseName {
        return Contestant(name: name ?? "base", model: model, digest: nil, scale: 1)
      }
      guard let found = server.adapter(model) else {
        throw CommandError(
          "--model: found \(model), expected one of "
            + ([server.baseName] + server.adapters.map(\.name)).joined(separator: ", ")
            + ", with a factor behind @ if wanted.")
      }
      return Contestant(
        name: name ?? model, model: model + "@sha256:" + found.digest, digest: found.digest,
        scale: found.scale)
    }
  }

  private func onlyModel(of client: ServerClient) async throws -> [(name: String?, model: String)] {
    let value = try client.json(try await client.send("GET", ["v1", "models"], idleSeconds: 120))
    let names = (value.object?["data"]?.array ?? []).compactMap { $0.object?["id"]?.string }
    guard names.count == 1, let name = names.first else {
      throw CommandError(
        "--model: found none, expected one of the server's: "
          + names.prefix(16).map { printable($0, limit: 128) }.joined(separator: ", ")
          + (names.count > 16 ? " and \(names.count - 16) more" : "") + ". Name one or more.")
    }
    return [(nil, name)]
  }
}
