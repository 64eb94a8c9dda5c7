import Foundation
import Measuring
import ModelFiles
import TinaRuntime
import Trainer

/// One GRPO step on completions that are drawn at random instead of sampled: what learning costs, in time and memory.
///
///     training-benchmark MODEL LENGTH... [--steps N] [--memory GB] [--dropout P] [--activations f32|bf16]
///
/// Each length is a completion of one prompt. Prints one JSON object: the machine's float32 peak, measured before; the
/// last step's time and the rates of its products and of whole passes; the process's peak memory.
@main
enum Main {
  static func main() async throws {
    var words = Array(CommandLine.arguments.dropFirst())
    func option(_ name: String, _ fallback: Double) -> Double {
      guard let at = words.firstIndex(of: name), at + 1 < words.count, let value = Double(words[at + 1])
      else {
        return fallback
      }
      words.removeSubrange(at...at + 1)
      return value
    }
    let steps = Int(option("--steps", 2))
    let memory = option("--memory", 12)
    let dropout = option("--dropout", 0)
    var activations = "f32"
    if let at = words.firstIndex(of: "--activations"), at + 1 < words.count {
      activations = words[at + 1]
      words.removeSubrange(at...at + 1)
    }
    let lengths = words.dropFirst().compactMap { Int($0) }
    guard let path = words.first, lengths.count > 1, lengths.count == words.count - 1 else {
      print(
        "usage: training-benchmark MODEL LENGTH LENGTH... [--steps N] [--memory GB] [--dropout P]"
          + " [--activations f32|bf16]")
      exit(64)
    }
    let folder = NSTemporaryDirectory() + "tina-training-benchmark-\(getpid())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let problem = "Solve the problem step by step. " + (0..<32).map { "\($0)" }.joined(separator: " ")
    try "{\"problem\": \"\(problem)\", \"answer\": \"1\"}\n".write(
      toFile: folder + "/data.jsonl", atomically: true, encoding: .utf8)
    try """
    dataset_path: \(folder)/data.jsonl
    prompt_template: reason
    rl_post_train_reward_funcs: [cosine]
    lora_dropout: \(dropout)
    activations: \(activations)
    learning_rate: 1.0e-5
    beta: 0.0
    num_generations: \(lengths.count)
    max_completion_length: \(lengths.max() ?? 1)
    max_steps: \(steps)
    save_steps: 1000000
    """.write(toFile: folder + "/recipe.yaml", atomically: true, encoding: .utf8)

    let recipe = try Recipe(path: folder + "/recipe.yaml")
    let model = try Model(path: path, activations: recipe.activations.choice)
    let peak = MachineLimits(model).operationRate
    var options = TrainingOptions(output: folder + "/run")
    options.ignoresMissingSignal = true
    options.memory = Int(memory * 1e9)
    let run = try TrainingRun(
      recipe, model: model, options: options,
      completions: RandomCompletions(lengths: lengths, vocabulary: model.config.vocabSize))
    _ = try await run.run()
    let metrics =
      try String(contentsOfFile: folder + "/run/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").last.map { Data($0.utf8) } ?? Data()
    let last = try JSONSerialization.jsonObject(with: metrics) as? [String: Any] ?? [:]
    func number(_ key: String) -> Double { last[key] as? Double ?? .nan }
    guard number("grad_norm") > 0 else { fatalError("nothing was learned, so nothing was measured") }
    let product = number("speed/product_gflops")
    print(
      String(
        format: """
          {"kernels": "%@", "activations": "%@", "peak_gflops": %.1f, "step_seconds": %.2f, \
          "product_gflops": %.1f, "product_share": %.3f, \
          "pass_gflops": %.1f, "pass_share": %.3f, "grad_norm": %g, "peak_rss_gb": %.2f, "anonymous_gb": %.2f}
          """, model.kernels, activations, peak / 1e9, number("step_time"), product, product * 1e9 / peak,
        number("speed/pass_gflops"), number("speed/pass_gflops") * 1e9 / peak, number("grad_norm"),
        status("VmHWM"), status("RssAnon")))
  }

  /// A line of /proc/self/status in gigabytes; 0 where there is none.
  private static func status(_ name: String) -> Double {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return
      (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Double($0) } ?? 0)
      * 1024 / 1e9
  }
}

/// Tokens drawn evenly; no log-probabilities, as nothing was sampled.
private struct RandomCompletions: CompletionSource {
  let lengths: [Int]
  let vocabulary: Int

  func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
    var state: UInt64 = 1
    return requests.map { _ in
      lengths.map { length in
        var text = CompletedText()
        for _ in 0..<length {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          text.ids.append(Int(state >> 33) % vocabulary)
        }
        return text
      }
    }
  }
}
