import Foundation
import TinaRuntime
import Support

/// Counts what the server does, for `/metrics`.
final class Metrics: Sendable {
  /// Counts of values up to each bound.
  struct Histogram: Sendable {
    let bounds: [Double]
    var counts: [Int]
    var sum = 0.0
    var count = 0

    init(_ bounds: [Double]) {
      self.bounds = bounds
      counts = bounds.map { _ in 0 }
    }

    mutating func add(_ value: Double) {
      sum += value
      count += 1
      for i in bounds.indices where value <= bounds[i] { counts[i] += 1 }
    }
  }

  private struct Requests: Hashable {
    let route: String
    let status: Int
  }

  private struct State: Sendable {
    var requests: [Requests: Int] = [:]
    var cancelled = 0
    var promptTokens = 0
    var tokens = 0
    var finishes: [String: Int] = [:]
    var firstToken = Histogram([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120])
    var duration = Histogram([0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600])
    var queued = Histogram([0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120])
  }

  private let state = Locked(State())
  private let began = Date().timeIntervalSince1970

  init() {}

  /// Counts a request that is over.
  func add(_ record: RequestRecord) {
    let values = record.values
    let elapsed = record.elapsed
    state.withLock { state in
      state.requests[Requests(route: values.route, status: values.status), default: 0] += 1
      if values.isCancelled { state.cancelled += 1 }
      state.promptTokens += values.promptTokens
      state.tokens += values.tokens
      for finish in values.finish { state.finishes[finish, default: 0] += 1 }
      if let seconds = values.firstToken { state.firstToken.add(seconds) }
      if let seconds = values.queued {
        state.queued.add(seconds)
        state.duration.add(elapsed)
      }
    }
  }

  /// The text of `/metrics`, in Prometheus' format.
  func text(engine: EngineStatistics, load: Admission.Load, adapters: [String]) -> String {
    var page = MetricsPage()
    let state = state.withLock { $0 }
    page.family("tina_build_info", "gauge", "The program's version.")
    page.sample("tina_build_info", [("version", tinaVersion)], 1)
    page.family("tina_requests_total", "counter", "Requests answered, by route and status.")
    for (key, count) in state.requests.sorted(by: {
      ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status)
    }) {
      page.sample(
        "tina_requests_total", [("route", key.route), ("status", String(key.status))], Double(count))
    }
    page.single("tina_requests_cancelled_total", "counter", "Requests whose client left.", state.cancelled)
    page.single("tina_requests_running", "gauge", "Requests that were let in.", load.requests)
    page.single("tina_requests_waiting", "gauge", "Requests that wait for room.", load.waiting)
    page.single("tina_completions_running", "gauge", "Completions of requests let in.", load.completions)
    page.single("tina_prompt_tokens_total", "counter", "Tokens of prompts.", state.promptTokens)
    page.single("tina_completion_tokens_total", "counter", "Tokens of answers.", state.tokens)
    page.family("tina_completions_total", "counter", "Completions, by how they ended.")
    for (reason, count) in state.finishes.sorted(by: { $0.key < $1.key }) {
      page.sample("tina_completions_total", [("finish", reason)], Double(count))
    }
    page.histogram(
      "tina_time_to_first_token_seconds", "From a request's arrival to its first token.", state.firstToken)
    page.histogram("tina_queue_seconds", "From a request's arrival until it was let in.", state.queued)
    page.histogram(
      "tina_request_duration_seconds", "From a request's arrival to its end, of those let in.", state.duration
    )
    addEngine(engine, to: &page)
    page.family("tina_adapter_loaded", "gauge", "Adapters by name.")
    for name in adapters { page.sample("tina_adapter_loaded", [("adapter", name)], 1) }
    addProcess(to: &page)
    return page.text
  }

  private func addEngine(_ engine: EngineStatistics, to page: inout MetricsPage) {
    page.single("tina_engine_steps_total", "counter", "Passes over the weights.", engine.steps)
    page.single("tina_engine_rows_total", "counter", "Rows of all passes.", engine.rows)
    page.single("tina_engine_tokens_drawn_total", "counter", "Tokens drawn.", engine.tokensDrawn)
    page.single(
      "tina_engine_prompt_tokens_computed_total", "counter", "Tokens of prompts computed.",
      engine.promptTokensComputed)
    page.single(
      "tina_engine_prompt_tokens_shared_total", "counter",
      "Tokens of prompts found in the cache or shared within a request.", engine.promptTokensShared)
    page.single(
      "tina_engine_preemptions_total", "counter", "Completions that had to make room and begin again.",
      engine.preemptions)
    addSpeculation(engine, to: &page)
    page.single("tina_engine_running", "gauge", "Sequences in the batch.", engine.running)
    page.single("tina_engine_waiting", "gauge", "Sequences that wait for room.", engine.waiting)
    page.single("tina_cache_used_bytes", "gauge", "Keys and values held.", engine.cacheBytesUsed)
    page.single("tina_cache_prefix_bytes", "gauge", "Of these, cached prefixes.", engine.cacheBytesCached)
    page.single("tina_cache_limit_bytes", "gauge", "The most that may be held.", engine.cacheBytesLimit)
  }

  /// Under vLLM's names, so that its dashboards show them.
  private func addSpeculation(_ engine: EngineStatistics, to page: inout MetricsPage) {
    page.single(
      "vllm:spec_decode_num_drafts_total", "counter", "Times that tokens were guessed ahead.", engine.drafts)
    page.single(
      "vllm:spec_decode_num_draft_tokens_total", "counter", "Tokens guessed ahead.", engine.draftedTokens)
    page.single(
      "vllm:spec_decode_num_accepted_tokens_total", "counter", "Tokens guessed ahead that were right.",
      engine.acceptedTokens)
    let places = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
    page.family(places, "counter", "Tokens guessed ahead that were right, by their place in the guess.")
    for (place, count) in engine.acceptedByPlace.enumerated() {
      page.sample(places, [("position", String(place))], Double(count))
    }
    guard engine.draftCacheBytesLimit > 0 else { return }
    page.family("tina_draft_seconds_total", "counter", "Seconds in which the drafter read and guessed.")
    page.sample("tina_draft_seconds_total", [], engine.draftSeconds)
    page.single(
      "tina_draft_cache_used_bytes", "gauge", "Keys and values that the drafter holds.",
      engine.draftCacheBytesUsed)
    page.single(
      "tina_draft_cache_limit_bytes", "gauge", "The most that it may hold.", engine.draftCacheBytesLimit)
  }

  private func addProcess(to page: inout MetricsPage) {
    page.single(
      "tina_log_lines_dropped_total", "counter", "Lines of the log that could not be written.",
      MessageLog.standardError.droppedCount)
    page.family("process_start_time_seconds", "gauge", "When the server began, since 1970.")
    page.sample("process_start_time_seconds", [], began)
    if let bytes = ProcessMemory.residentBytes {
      page.single("process_resident_memory_bytes", "gauge", "Memory in use, mapped files included.", bytes)
    }
  }
}
