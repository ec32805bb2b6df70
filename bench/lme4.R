# Rscript lme4.R RECORDS.csv: REML with animals and herd-years as independent effects; prints the seconds of lmer, and the variances.
suppressMessages(library(lme4))
records <- read.csv(commandArgs(TRUE)[1])
seconds <- system.time(fit <- lmer(milk ~ 1 + (1 | herd:year) + (1 | id), records))["elapsed"]
variances <- as.data.frame(VarCorr(fit))
for (i in seq_len(nrow(variances))) cat("variance", variances$grp[i], variances$vcov[i], "\n")
cat("seconds", seconds, "\n")
