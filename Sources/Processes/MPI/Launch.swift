import ModelFiles

/// Who started this process, as its environment tells.
package enum Launch: Equatable {
  /// Nobody who starts several.
  case alone
  /// `mpirun` of Open MPI, or `srun --mpi=pmix`.
  case openMPI

  /// - Throws: ``ProcessError`` for the launcher of another MPI: each process would believe to be alone.
  package init(_ environment: [String: String]) throws(ProcessError) {
    if environment["OMPI_COMM_WORLD_SIZE"] != nil || environment["PMIX_RANK"] != nil {
      self = .openMPI
      return
    }
    let others = [
      ("PMI_SIZE", "PMI"), ("MPI_LOCALNRANKS", "MPICH or Intel MPI"), ("MV2_COMM_WORLD_SIZE", "MVAPICH"),
    ]
    for (variable, name) in others {
      guard let count = environment[variable].flatMap({ Int($0) }), count > 1 else { continue }
      throw ProcessError(
        .launch, place: "the variable \(variable)", found: "\(count) processes, started by \(name)",
        expected: "Open MPI's mpirun, or srun --mpi=pmix",
        advice: "Start with Open MPI. For processes that know nothing of each other, unset the variable.")
    }
    self = .alone
  }

  /// The variables by which processes find each other. A child that works alone must not have them.
  package static func isOwn(_ variable: String) -> Bool {
    ["OMPI_", "PMIX_", "PRTE_"].contains { variable.hasPrefix($0) }
      && !variable.hasPrefix("OMPI_MCA_")
      || variable.hasPrefix("OMPI_MCA_ess") || variable.hasPrefix("OMPI_MCA_orte_")
  }
}
