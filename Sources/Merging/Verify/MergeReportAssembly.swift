import AdapterFormat
import Foundation
import ModelFiles
import Support
import TinaRuntime

extension MergeReport {
  /// The report of a merge whose weights are written and compared.
  init(
    of merge: Merge, base: any BaseCandidate, digests: Merge.Digests, plan: OutputPlan,
    carried: CarriedFiles?, modules: [ModuleMeasure], logits: LogitCheck
  ) {
    let path = merge.model.directory.path
    let isFile = merge.settings.fileType != nil
    var warnings = merge.adapters.flatMap(\.notes)
    var merged: [MergedAdapter] = []
    for (attached, digest) in zip(merge.adapters, digests.adapters) {
      let (recognised, warning) = BasePrecision.judge(attached.adapter, base)
      if let warning { warnings.append(warning) }
      merged.append(
        MergedAdapter(
          name: lastComponent(attached.adapter.path), digest: digest, scale: attached.scale,
          baseModelName: attached.adapter.baseModelName.map { lastComponent($0) }, base: recognised))
    }
    let earlier =
      merge.model.directory.gguf == nil ? path + "/merge-report.json" : MergeReport.path(besides: path)
    if FileManager.default.fileExists(atPath: earlier) {
      warnings.append(
        "\(path) was itself made by merging (its merge-report.json says how): rounding errors add up. "
          + "Merging all adapters into the original base at once rounds once.")
    }
    let isNoisy = merge.settings.rounding != .nearest || merge.settings.fileType?.isQuantised == true
    if isNoisy, let error = modules.compactMap(\.error).max(), error > 1 {
      warnings.append(
        "The rounding noise is up to \(decimal(error, 1)) times as large as the change itself. It is right on "
          + "average, but compare it with the attached form on your task, or merge with --dtype f32.")
    }
    self.init(
      output: merge.output, base: lastComponent(path), baseDigest: digests.base, adapters: merged,
      elementType: merge.elementTypeName, rounding: merge.settings.rounding, modules: modules, logits: logits,
      files: isFile ? [lastComponent(merge.output)] : plan.files.map(\.name),
      leftOut: carried?.leftOut ?? [], warnings: warnings,
      paths: [path] + merge.adapters.map(\.adapter.path))
  }
}

/// A path without its folders: a report tells nobody's folders.
private func lastComponent(_ path: String) -> String {
  path.split(separator: "/").last.map(String.init) ?? path
}
