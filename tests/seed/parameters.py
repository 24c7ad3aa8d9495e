from ml_logger import ML_Logger

logger = ML_Logger(log_directory=f"/mnt/bucket/deep_Q_learning/{datetime.now():%Y%m%d-%H%M%S.%f}")

logger.log_params(G=vars(G), RUN=vars(RUN), Reporting=vars(Reporting))
