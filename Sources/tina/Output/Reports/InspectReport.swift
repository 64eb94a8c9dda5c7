import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime
import Trainer

/// What `tina inspect` shows, as text and as JSON.
struct InspectReport {
  let file: AdapterFile
  let tina: TinaFile?
  let pairs: [PairAnalysis]
  /// The base that the adapter is meant for, if it is named, or why it is none.
  let base: Result<Architecture?, any Error>

  private var archive: AdapterArchive { file.archive }
  private var byteCount: Int { Figures.byteCount(of: file.files) }
  private var others: [(entry: AdapterEntry, name: String, tensor: Tensor)] {
    archive.entries.filter { $0.pair == nil }.flatMap { entry in
      zip(entry.peftNames, entry.tensors).map { (entry, $0, $1) }
    }
  }
  /// Why `tina run` would refuse the adapter, as far as the files at hand show; what attaches adapters says it.
  private var refusals: [String] {
    do {
      return AdapterFit.violations(try Adapter(file), try base.get())
    } catch let error as AdapterError {
      return error.violations.map(\.statement)
    } catch {
      return ["\(error)"]
    }
  }

  /// What the run of a checkpoint took.
  private var costs: RunCosts? { tina.flatMap { RunCosts(beside: $0.path) } }

  /// The norm of all ΔW together; nil if a number is not finite.
  private var norm: Double? {
    var sum = 0.0
    for pair in pairs {
      guard let norm = pair.norm else { return nil }
      sum += norm * norm
    }
    return sum.squareRoot()
  }

  var lines: [String] {
    var rows: [[String]] = [
      ["adapter", file.path],
      [
        "format",
        "\(file.format.title), \(Figures.count(file.files.count, "file")), \(Figures.grouped(byteCount)) bytes",
      ],
      ["base", baseText],
    ]
    if let training = archive.training {
      rows.append(["training", JSONValue.object(training.with("init", nil)).text()])
      rows += Self.ancestors(of: training)
    }
    if let costs { rows.append(["took", costs.text]) }
    let bits = archive.parameterCount > 0 ? 8 * Double(byteCount) / Double(archive.parameterCount) : 0
    rows.append([
      "parameters",
      "\(Figures.grouped(archive.parameterCount)), \(Figures.short(bits)) bits each in the file",
    ])
    if !pairs.isEmpty {
      rows.append([
        "pairs",
        "\(Figures.count(pairs.count, "module")), rank \(Self.span(pairs.map { Double($0.rank) })), scale"
          + " \(Self.span(pairs.map { Double($0.scale) })), "
          + Self.distinct(pairs.flatMap(\.elementTypes)).map(\.rawValue).joined(separator: " and "),
      ])
      rows.append(["‖ΔW‖", norm.map { Figures.short($0) } ?? "not finite"])
    }
    if let tina { rows += encodingRows(tina) }
    let refusals = refusals
    if let first = refusals.first {
      rows.append(["applicable", "no: " + first])
      if refusals.count > 1 {
        rows.append(["", "and \(Figures.count(refusals.count - 1, "more reason"))"])
      }
    } else {
      let isCompared = (try? base.get()) != nil
      rows.append([
        "applicable", "yes" + (isCompared ? "" : ", to a base of its shape (--base compares one)"),
      ])
    }
    var lines = Figures.table(rows, left: [1])
    if !pairs.isEmpty { lines += [""] + pairLines }
    let others = others
    if !others.isEmpty {
      lines.append("")
      lines += Figures.table(
        [["tensor that is no low-rank pair", "kind", "shape", "type", "bytes"]]
          + others.map { entry, name, tensor in
            [
              printable(name), entry.kind, "\(tensor.shape)", tensor.elementType.rawValue,
              Figures.grouped(tensor.byteRange.count),
            ]
          }, left: [1, 2, 3])
    }
    return lines
  }

  /// The adapters that training started from, the last one first.
  private static func ancestors(of training: JSONObject) -> [[String]] {
    var rows: [[String]] = []
    var next = training["init"]?.object
    while let ancestor = next, rows.count < 100 {
      let own = ancestor["training"]?.object
      let facts = [
        printable(ancestor["name"]?.string ?? "an adapter"),
        ancestor["content_digest"]?.string.map { "digest " + printable(String($0.prefix(16))) + "…" },
        own.map { JSONValue.object($0.with("init", nil)).text() },
      ]
      rows.append(["started from", facts.compactMap(\.self).joined(separator: ", ")])
      next = own?["init"]?.object
    }
    return rows
  }

  private var pairLines: [String] {
    Figures.table(
      [["module", "shape", "rank", "scale", "‖ΔW‖", "eff. rank", "singular values"]]
        + pairs.map { pair in
          [
            printable(pair.module) + (pair.kind == "lowrank" ? "" : " (\(pair.kind))"),
            "[\(pair.outputCount), \(pair.inputCount)]", "\(pair.rank)", Figures.short(Double(pair.scale)),
            pair.norm.map { Figures.short($0) } ?? "not finite",
            pair.effectiveRank.map { String(format: "%.1f", $0) } ?? "",
            Figures.bars(pair.singularValues ?? []),
          ]
        }, left: [6])
  }

  private var baseText: String {
    let name = archive.baseModelName.map { ", called \(quoted($0))" } ?? ""
    guard let base = archive.base else { return "not identified" + name }
    let sizes = base.dimensions.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
    return "\(base.architecture) (\(sizes)), digest \(base.digestText.prefix(16))…" + name
  }

  private func encodingRows(_ tina: TinaFile) -> [[String]] {
    var rows = [["content", "digest \(tina.contentDigest.description.prefix(16))…"]]
    if let parent = tina.parentDigest { rows.append(["parent", "\(parent.description.prefix(16))…"]) }
    let layers = tina.layers
    rows.append(["encoding", tina.isExact ? "exact" : Figures.count(layers.count, "quality layer")])
    guard !tina.isExact else { return rows }
    for (i, layer) in layers.enumerated() {
      rows.append([
        "",
        "layer \(i + 1): up to byte \(Figures.grouped(layer.end)), relative error of ΔW"
          + " \(Figures.short(Double(layer.totalError))), in a module up to"
          + " \(Figures.short(Double(layer.worstError)))" + (i < tina.layerCount ? "" : " (not read)"),
      ])
    }
    return rows
  }

  private static func span(_ values: [Double]) -> String {
    let (low, high) = (values.min() ?? 0, values.max() ?? 0)
    return low == high ? Figures.short(low) : "\(Figures.short(low)) to \(Figures.short(high))"
  }

  private static func distinct(_ types: [ElementType]) -> [ElementType] {
    var seen: [ElementType] = []
    for type in types where !seen.contains(type) { seen.append(type) }
    return seen
  }

  var json: JSONValue {
    let modules: [JSONValue] = pairs.map { Self.json($0) }
    let tensors: [JSONValue] = others.map { Self.json($0.entry, $0.name, $0.tensor) }
    let reasons = refusals
    let refusals: [JSONValue] = reasons.map { JSONValue.string($0) }
    let files: [JSONValue] = file.files.map { JSONValue.string($0) }
    let base: JSONValue = archive.base.map { Self.json($0) } ?? .null
    let training: JSONValue = archive.training.map { JSONValue.object($0) } ?? .null
    let configuration: JSONValue = archive.configuration.map { JSONValue.object($0) } ?? .null
    let norm: JSONValue = self.norm.map { JSONValue.double($0) } ?? .null
    let name: JSONValue = archive.baseModelName.map { JSONValue.string($0) } ?? .null
    let digest: JSONValue = tina.map { JSONValue.string($0.contentDigest.description) } ?? .null
    let isExact: JSONValue = tina.map { JSONValue.bool($0.isExact) } ?? .null
    let layers: [JSONValue] = (tina?.layers ?? []).map { JSONValue(layer: $0) }
    let fields: KeyValuePairs<String, JSONValue> = [
      "adapter": .string(file.path), "format": .string(file.format.rawValue), "files": .array(files),
      "bytes": .integer(byteCount), "base": base, "base_model_name": name, "training": training,
      "configuration": configuration, "parameters": .integer(archive.parameterCount), "norm": norm,
      "applicable": .bool(reasons.isEmpty), "refusals": .array(refusals), "content_digest": digest,
      "took": costs.map { Self.json($0) } ?? .null, "exact": isExact, "layers": .array(layers),
      "modules": .array(modules),
      "other_tensors": .array(tensors),
    ]
    return .record(fields)
  }

  private static func json(_ costs: RunCosts) -> JSONValue {
    let fields: KeyValuePairs<String, JSONValue> = [
      "seconds": .double(costs.seconds), "tokens": .integer(costs.tokens),
      "flops": costs.flops.map { .double($0) } ?? .null,
      "dollars": costs.dollars.map { .double($0) } ?? .null,
    ]
    return .record(fields)
  }

  private static func json(_ base: BaseIdentity) -> JSONValue {
    let dimensions: [JSONValue] = base.dimensions.map { dimension in
      let fields: KeyValuePairs<String, JSONValue> = [
        "name": .string(dimension.name), "value": .integer(dimension.value),
      ]
      return .record(fields)
    }
    let fields: KeyValuePairs<String, JSONValue> = [
      "architecture": .string(base.architecture), "digest": .string(base.digestText),
      "dimensions": .array(dimensions),
    ]
    return .record(fields)
  }

  private static func json(_ pair: PairAnalysis) -> JSONValue {
    let types: [JSONValue] = pair.elementTypes.map { JSONValue.string($0.rawValue) }
    let norm: JSONValue = pair.norm.map { JSONValue.double($0) } ?? .null
    let rank: JSONValue = pair.effectiveRank.map { JSONValue.double($0) } ?? .null
    let values: JSONValue = pair.singularValues.map { .array($0.map { JSONValue.double($0) }) } ?? .null
    let fields: KeyValuePairs<String, JSONValue> = [
      "module": .string(pair.module), "kind": .string(pair.kind), "rank": .integer(pair.rank),
      "in": .integer(pair.inputCount), "out": .integer(pair.outputCount), "scale": .float(pair.scale),
      "types": .array(types), "bytes": .integer(pair.byteCount), "norm": norm, "effective_rank": rank,
      "singular_values": values,
    ]
    return .record(fields)
  }

  private static func json(_ entry: AdapterEntry, _ name: String, _ tensor: Tensor) -> JSONValue {
    let shape: [JSONValue] = tensor.shape.map { JSONValue.integer($0) }
    let fields: KeyValuePairs<String, JSONValue> = [
      "name": .string(name), "kind": .string(entry.kind), "module": .string(entry.module),
      "shape": .array(shape), "type": .string(tensor.elementType.rawValue),
      "bytes": .integer(tensor.byteRange.count),
    ]
    return .record(fields)
  }
}

extension JSONValue {
  /// A quality layer of a .tina file.
  init(layer: TinaFile.Layer) {
    let fields: KeyValuePairs<String, JSONValue> = [
      "end": .integer(layer.end), "worst_error": .float(layer.worstError),
      "total_error": .float(layer.totalError),
    ]
    self = .record(fields)
  }
}
