/** What Jenkins's `error` step throws; the framework's own stand-in does not throw. */
class BuildFailed extends RuntimeException {

    BuildFailed(String message) {
        super(message)
    }

}
