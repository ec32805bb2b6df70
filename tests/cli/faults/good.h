#pragma once
/* A good run to spoil: the lines of its job file, in this order, and its data. */
#define JOB_RECORDS   "records: {file: records.csv}\n"
#define JOB_PEDIGREE  "pedigree: {file: pedigree.csv}\n"
#define JOB_MODEL     "model: \"y ~ herd + ped(id)\"\n"
#define JOB_VARIANCES "variances: {ped(id): 30, residual: 40}\n"
#define JOB_OUTPUT    "output: out\n"
#define GOOD_JOB      JOB_RECORDS JOB_PEDIGREE JOB_MODEL JOB_VARIANCES JOB_OUTPUT

/* job files that differ in one line */
#define WITH_MODEL(model)         JOB_RECORDS JOB_PEDIGREE "model: " model "\n" JOB_VARIANCES JOB_OUTPUT
#define WITH_VARIANCES(variances) JOB_RECORDS JOB_PEDIGREE JOB_MODEL "variances: " variances "\n" JOB_OUTPUT
#define WITH_RECORDS(records)     "records: " records "\n" JOB_PEDIGREE JOB_MODEL JOB_VARIANCES JOB_OUTPUT
#define WITH_PEDIGREE(pedigree)   JOB_RECORDS "pedigree: " pedigree "\n" JOB_MODEL JOB_VARIANCES JOB_OUTPUT
#define WITH_LINE(line)           GOOD_JOB line "\n"
#define FIXED_JOB(model)          JOB_RECORDS "model: " model "\nvariances: {residual: 40}\n" JOB_OUTPUT

#define GOOD_RECORDS                                                                                                                                 \
  "id,sex,herd,y,z,age,w\n"                                                                                                                          \
  "a,m,1,4.5,1.1,10,1\n"                                                                                                                             \
  "b,f,1,2.9,1.9,12,2\n"                                                                                                                             \
  "c,f,2,3.9,1.4,15,1\n"                                                                                                                             \
  "e,m,2,3.5,0.8,11,4\n"
#define GOOD_PEDIGREE "id,sire,dam\ns,0,0\nd,0,0\na,s,d\nb,s,d\nc,0,d\ne,s,0\n"
