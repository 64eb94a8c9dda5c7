import AdapterFormat
import Foundation
public import ModelFiles
import Support
import Synchronization
public import TinaRuntime

/// Writes a model as one GGUF file of another type, smaller or not.
public struct Quantization: Sendable {
  /// The model, opened.
  public let model: Model
  /// The file that is made.
  public let output: String
  /// What its matrices are stored as.
  public let type: GGUFFileType
  /// Whether what has the output's name may be replaced.
  public var replacesOutput = false
  /// Whether a model that is quantised already may be rounded a second time.
  public var requantises = false
  /// Prepares a conversion.
  public init(_ model: Model, output: String, type: GGUFFileType) {
    self.model = model
    self.output = output
    self.type = type
  }

  /// Makes the file: whole, or not at all.
  ///
  /// - Parameter onProgress: bytes written and bytes in all; called now and then, from any thread.
  /// - Throws: ``MergeError`` for a model that is quantised already, numbers that the type can't hold, and what
  ///   the system refuses; the errors of the model's files.
  public func run(
    onProgress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> QuantizationReport {
    try check()
    if let fault = model.directory.nonFinite().first { throw fault }
    let plan = try OutputPlan(
      model.directory, MergedTensors(into: model.directory), type: type, name: Self.name)
    let place = try MergeDirectory(
      output: output, inputs: [model.directory.path] + model.directory.weights.files,
      replaces: replacesOutput,
      purpose: "tina quantize")
    do {
      if place.wasThere { _ = try place.takeUp(key: "", plan: plan) }
      let file = plan.files[0]
      let done = Mutex(0)
      let clock = ContinuousClock()
      let began = clock.now
      let writer = ShardWriter(
        file: file, settings: MergeSettings(), threads: model.threads, measuresRounding: true
      ) { count in
        let sum = done.withLock { done in
          done += count
          return done
        }
        onProgress(sum, file.byteCount)
      }
      let measures = try writer.write(to: place.file(Self.name))
      try model.checkFiles()
      // What was written must open as a model does.
      let made = try Model(path: place.file(Self.name), threads: 1)
      let lost = model.config.arithmeticDifferences(made.config)
      guard lost.isEmpty else { throw GGUFMetadata.refusal(model.config, lost) }
      let memory = ProcessMemory.privateBytes
      try place.finish(file: Self.name)
      return QuantizationReport(
        output: output, type: type,
        sourceByteCount: file.tensors.reduce(0) { $0 + $1.source.byteRange.count },
        byteCount: file.byteCount, types: Self.types(file), roundings: measures, writing: clock.now - began,
        privateByteCount: memory)
    } catch {
      place.discard()
      throw error
    }
  }

  private static let name = "model.gguf"

  private func check() throws(MergeError) {
    guard type.isQuantised || type == .f16 || type == .bf16, !requantises,
      let tensor = model.directory.quantisedTensor
    else { return }
    throw .invalidSetting(
      name: "model", found: "a model in \(tensor.elementType.rawValue) already (\(tensor.name))",
      expected:
        "the model that it was made from: rounding a second time adds errors. --requantize does it all "
        + "the same; --type F32 loses nothing")
  }

  private static func types(_ file: PlannedFile) -> [(type: String, tensors: Int, byteCount: Int)] {
    var counts: [String: (tensors: Int, byteCount: Int)] = [:]
    for tensor in file.tensors {
      counts[tensor.type.rawValue, default: (0, 0)].tensors += 1
      counts[tensor.type.rawValue, default: (0, 0)].byteCount += tensor.byteCount
    }
    return counts.sorted { ($1.value.byteCount, $0.key) < ($0.value.byteCount, $1.key) }
      .map { ($0.key, $0.value.tensors, $0.value.byteCount) }
  }
}

/// What a conversion to GGUF made.
public struct QuantizationReport: Sendable {
  /// The file.
  public let output: String
  /// What was asked for.
  public let type: GGUFFileType
  /// Bytes of the model's weights before.
  public let sourceByteCount: Int
  /// Bytes of the file.
  public let byteCount: Int
  /// How many tensors and bytes have which type, most bytes first.
  public let types: [(type: String, tensors: Int, byteCount: Int)]
  /// For each tensor that was rounded to blocks, its size and the rounding error, ‖W' − W‖ / ‖W‖.
  public let roundings: [ModuleMeasure]
  /// Until the file was on the disk.
  public let writing: Duration
  /// Private memory at the end; nil if the system does not tell.
  public let privateByteCount: Int?

  /// The tensor that lost most; nil if none was rounded to blocks.
  public var worst: ModuleMeasure? { roundings.max { ($0.error ?? 0) < ($1.error ?? 0) } }

  /// The rounding error over all tensors that were rounded to blocks; nil if none was.
  public var error: Double? { roundings.total.error }

  /// The report as JSON.
  public var json: JSONValue {
    .record([
      "output": .string(output), "type": .string(type.rawValue), "source_bytes": JSONValue(sourceByteCount),
      "bytes": JSONValue(byteCount),
      "tensor_types": .array(
        types.map { type in
          .record([
            "type": .string(type.type), "tensors": JSONValue(type.tensors),
            "bytes": JSONValue(type.byteCount),
          ])
        }), "relative_error": error.map { JSONValue($0) } ?? .null,
      "worst_tensor": worst.map { worst in
        .record([
          "name": .string(worst.name), "relative_error": worst.error.map { JSONValue($0) } ?? .null,
        ])
      } ?? .null,
    ])
  }

  /// The report in a few lines for a person.
  public var summary: String {
    var lines = [
      "\(output): \(type.rawValue), \(byteText(byteCount)), "
        + "\(percent(Double(byteCount) / Double(max(sourceByteCount, 1)))) of the model's"
    ]
    lines.append(
      "  "
        + types.map { "\($0.tensors) tensors in \($0.type) (\(byteText($0.byteCount)))" }
        .joined(separator: ", "))
    if let error, let worst, let worstError = worst.error {
      lines.append(
        "  rounding error of the weights: \(percent(error)) in all, \(percent(worstError)) at most (\(worst.name))"
      )
    }
    return lines.joined(separator: "\n")
  }
}
